import { createResource, createSignal, For, Show, type JSX } from 'solid-js'
import { localpart } from '../../data/rooms'
import { ask, askAll } from '../../data/service'
import type { AuditEntry } from '../../net/interface'
import { dayAndClock, t } from '../../ui/settings'
import { Fresh } from '../services/Parts'
import { sight } from '../services/sight'
import { Whole } from './parts'
import type { SectionProps } from './shop'
import { w } from './words'
import { ow } from './words/people'

const STEP = 50

/** Who did what, the newest first, and whether the record is whole. */
export default function Record(props: SectionProps): JSX.Element {
  const { shop } = props
  const [count, setCount] = createSignal(STEP)
  const record = sight<{ rows: AuditEntry[] }>(shop.client, {
    look: () => askAll(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/audit', 'entries', { channel_id: shop.id }, { limit: '500' }),
    pace: () => 60_000,
    name: `manage record ${shop.id}`,
  })
  const [faults] = createResource(async () => {
    const { faults } = await ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/audit', { channel_id: shop.id }, { limit: '1', verify: 'true' })
    return faults ?? []
  })
  const rows = () => (record.value()?.rows ?? []).toReversed()
  const about = ({ deed }: AuditEntry) => {
    const told = deed.details ?? {}
    return [told['user_id'], told['role'] && w().roles[told['role'] as 'owner'], told['why']].filter((part) => typeof part === 'string' && part).join(' · ')
  }
  const actor = ({ deed }: AuditEntry) => (deed.actor === '' ? ow().server : deed.actor.startsWith('key/') ? ow().key(deed.actor.slice(4)) : localpart(deed.actor))
  return (
    <>
      <p class="quiet">{ow().recordHint}</p>
      <Fresh of={record} />
      <Show when={!faults.error && faults()}>{(found) => <Whole faults={found()} />}</Show>
      <ol class="ledger block" reversed>
        <For each={rows().slice(0, count())} fallback={<li>{t().loading}</li>}>
          {(entry) => (
            <li>
              <span>
                <strong>{actor(entry)}</strong> {ow().deeds[entry.deed.action] ?? entry.deed.action}
              </span>
              <span class="quiet small">{[dayAndClock(entry.at_ms), about(entry)].filter(Boolean).join(' · ')}</span>
            </li>
          )}
        </For>
      </ol>
      <Show when={rows().length > count()}>
        <button type="button" class="plain" onClick={() => setCount(count() + STEP)}>
          {w().more}
        </button>
      </Show>
    </>
  )
}
