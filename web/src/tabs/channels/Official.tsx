import { createResource, Show, type JSX } from 'solid-js'
import { isOfficial, type Channel } from '../../data/channel'
import type { Client } from '../../data/client'
import { ask } from '../../data/service'
import { useClient } from '../../ui/client'
import { Icon } from '../../ui/Icon'
import { w } from './words'
import './channels.css'

const KEPT_MS = 30 * 86_400_000

interface Known {
  key_id: string
  key: string
}

/** What marks are verified with; asked for again when a mark names another one. */
async function keyFor(client: Client, id: string): Promise<string> {
  const kept = await client.sights.last<Known>('channels key')
  if (kept?.value.key_id === id) return kept.value.key
  const known = await ask(client.matrix, 'GET /.well-known/bongsu/channels', {})
  await client.sights.keep('channels key', known, Date.now() + KEPT_MS)
  return known.key
}

/** The official mark: there when this device has verified it, and never because a server says so. */
export function Official(props: { channel: Channel; withHint?: boolean }): JSX.Element {
  const client = useClient()
  const [is] = createResource(
    () => props.channel.mark && props.channel,
    async (channel): Promise<'yes' | 'no' | 'unknown'> => {
      try {
        return (await isOfficial(channel, await keyFor(client, channel.mark!.key_id), Date.now())) ? 'yes' : 'no'
      } catch {
        return 'unknown'
      }
    },
  )
  return (
    <>
      <Show when={is.latest === 'yes'}>
        <span class="official" title={w().officialHint}>
          <Icon name="check" />
          {w().official}
        </span>
        <Show when={props.withHint}>
          <span class="quiet small">{w().officialHint}</span>
        </Show>
      </Show>
      <Show when={props.withHint && is.latest === 'unknown'}>
        <span class="quiet small">{w().uncheckable}</span>
      </Show>
    </>
  )
}
