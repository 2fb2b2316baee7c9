import { createResource, createSignal, Show, type JSX } from 'solid-js'
import { personName } from '../../ui/personName'
import { ask } from '../../data/service'
import type { AuditEntry, AuditSaid } from '../../net/interface'
import { dayAndClock, t } from '../../ui/settings'
import { Fresh } from '../services/Parts'
import { sight } from '../services/sight'
import { Rows, Whole } from './parts'
import type { SectionProps } from './shop'
import { w } from './words'
import { ow } from './words/people'

const STEP = 50
const MOST = 500

/** Who did what, the newest first, and whether the record is whole. */
export default function Record(props: SectionProps): JSX.Element {
  const { shop } = props
  const [count, setCount] = createSignal(STEP)
  const record = sight<AuditSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/audit', { channel_id: shop.id }, { dir: 'b', limit: String(count()) }),
    pace: () => 60_000,
    name: `manage record ${shop.id}`,
  })
  const [faults] = createResource(async () => {
    const { faults } = await ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/audit', { channel_id: shop.id }, { limit: '1', verify: 'true' })
    return faults ?? []
  })
  const about = ({ deed }: AuditEntry) => {
    const told = deed.details ?? {}
    return [told['user_id'], told['role'] && w().roles[told['role'] as 'owner'], told['why']].filter((part) => typeof part === 'string' && part).join(' · ')
  }
  const actor = ({ deed }: AuditEntry) => (deed.actor === '' ? ow().server : deed.actor.startsWith('key/') ? ow().key(deed.actor.slice(4)) : personName(shop.client, deed.actor))
  return (
    <>
      <p class="quiet">{ow().recordHint}</p>
      <Fresh of={record} />
      <Show when={!faults.error && faults()}>{(found) => <Whole faults={found()} />}</Show>
      <ol class="ledger block">
        <Rows rows={record.value()?.entries} id={({ number }) => String(number)} fallback={<li>{t().loading}</li>}>
          {(entry) => (
            <li>
              <span>
                <strong>{actor(entry())}</strong> {ow().deeds[entry().deed.action] ?? entry().deed.action}
              </span>
              <span class="quiet small">{[dayAndClock(entry().at_ms), about(entry())].filter(Boolean).join(' · ')}</span>
            </li>
          )}
        </Rows>
      </ol>
      <Show when={record.value()?.next_batch && count() < MOST}>
        <button type="button" class="plain" onClick={() => (setCount(Math.min(MOST, count() + 3 * STEP)), record.poke())}>
          {w().more}
        </button>
      </Show>
    </>
  )
}
