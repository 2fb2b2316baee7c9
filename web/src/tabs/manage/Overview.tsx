import { Show, type JSX } from 'solid-js'
import { isLive, mayWrite, paceOf } from '../../data/manage'
import { ask } from '../../data/service'
import type { AudienceSaid, BroadcastsSaid } from '../../net/interface'
import { openPage } from '../../ui/route'
import { sight } from '../services/sight'
import { Listed } from './Broadcasts'
import { Figures } from './Figures'
import type { Shop } from './shop'
import { bw } from './words/broadcasts'

const LATEST = 3

/** How the channel stands, where there is room for it beside the sections. */
export default function Overview(props: { shop: Shop }): JSX.Element {
  return <Show when={mayWrite(props.shop.role())}>{<Standing shop={props.shop} />}</Show>
}

function Standing(props: { shop: Shop }): JSX.Element {
  const { shop } = props
  const audience = sight<AudienceSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/audience', { channel_id: shop.id }),
    pace: () => 60_000,
    name: `manage audience ${shop.id}`,
  })
  const broadcasts = sight<BroadcastsSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/broadcasts', { channel_id: shop.id }, { limit: '20' }),
    pace: (value) => paceOf(value?.broadcasts ?? [], Date.now()),
  })
  const shown = () => broadcasts.value()?.broadcasts.toSorted((one, other) => Number(isLive(other)) - Number(isLive(one))).slice(0, LATEST)
  return (
    <>
      <Figures of={audience.value()} />
      <h3>{bw().latest}</h3>
      <Listed broadcasts={shown()} onOpen={(id) => openPage('manage', shop.id, 'broadcasts', id)} />
    </>
  )
}
