import { createResource, For, Show, type JSX } from 'solid-js'
import { numberOf } from '../../data/board'
import { ask } from '../../data/service'
import type { AuditEntry } from '../../net/interface'
import { explain } from '../../ui/errors'
import { dayAndClock, t } from '../../ui/settings'
import { nameOf, type Desk } from './desk'
import { w } from './words'

const DAY_MS = 86_400_000
const NAMED_MAX = 100

/** The request that somebody looked at. */
const requestSeen = (what: string): string | undefined => /^request ([0-9a-f]{16})$/.exec(what)?.[1]

/** Who did what, the last first, and who looked. */
export function RecordView(props: { desk: Desk }): JSX.Element {
  const { desk } = props
  const numbers = new Map<string, string>()
  const of = { room_id: desk.room }
  /** What people call these requests. */
  const number = async (ids: readonly string[]) => {
    const asked = [...new Set(ids)].slice(0, NAMED_MAX)
    if (asked.length === 0) return
    const { requests } = await ask(desk.client.matrix, 'GET /_bongsu/v1/boards/{room_id}/requests', of, { ids: asked.join(',') })
    for (const request of requests) numbers.set(request.request_id, numberOf(request))
  }
  const [record] = createResource(async () => {
    const found = await ask(desk.client.matrix, 'GET /_bongsu/v1/boards/{room_id}/audit', of, { dir: 'b', limit: '200' })
    await number(found.entries.flatMap(({ deed }) => (typeof deed.details?.['request_id'] === 'string' ? [deed.details['request_id']] : [])))
    return found
  })
  const [faults] = createResource(async () => {
    const found = await ask(desk.client.matrix, 'GET /_bongsu/v1/boards/{room_id}/audit', of, { limit: '1', verify: 'true' })
    return found.faults ?? []
  })
  const [looks] = createResource(async () => {
    const found = await ask(desk.client.matrix, 'GET /_bongsu/v1/boards/{room_id}/access', of, { limit: '200' })
    await number(found.access.flatMap(({ what }) => requestSeen(what) ?? []))
    return found
  })
  const seen = (what: string) => {
    const request = requestSeen(what)
    return request === undefined ? (w().looked[what] ?? what) : w().details(numbers.get(request) ?? '')
  }
  const when = (at: number) => dayAndClock(at)
  const what = (entry: AuditEntry) => {
    const { request_id: request, reason, target } = entry.deed.details as Record<string, unknown>
    const about = typeof request === 'string' && request ? (numbers.get(request) ?? '') : typeof target === 'string' ? nameOf(desk, target) : ''
    return [w().acts[entry.deed.action] ?? w().doing[entry.deed.action] ?? entry.deed.action, about, typeof reason === 'string' ? reason : ''].filter(Boolean).join(' ')
  }
  return (
    <div class="scroll" tabindex="0">
      <Show when={!record.error} fallback={<p class="empty">{explain(record.error)}</p>}>
        <Show when={record()} fallback={<p class="empty">{t().loading}</p>}>
          {(known) => (
            <div class="stack">
              <section class="block">
                <h2>{w().deeds}</h2>
                <Show when={!faults.error && faults()}>
                  {(found) => <p classList={{ wrong: found().length > 0, quiet: found().length === 0 }}>{found().length > 0 ? `${w().faulty}: ${found().join('; ')}` : w().whole}</p>}
                </Show>
                <table class="plain-table">
                  <tbody>
                    <For each={known().entries}>
                      {(entry) => (
                        <tr>
                          <td class="tick quiet">{when(entry.at_ms)}</td>
                          <td>{nameOf(desk, entry.deed.actor)}</td>
                          <td>{what(entry)}</td>
                        </tr>
                      )}
                    </For>
                  </tbody>
                </table>
              </section>
              <section class="block">
                <h2>{w().access}</h2>
                <Show when={looks.error}>
                  <p class="wrong">{explain(looks.error)}</p>
                </Show>
                <table class="plain-table">
                  <tbody>
                    <For each={looks.error ? [] : (looks()?.access ?? [])}>
                      {(look) => (
                        <tr>
                          <td class="tick quiet">{new Date(look.day * DAY_MS).toISOString().slice(0, 10)}</td>
                          <td>{nameOf(desk, look.user_id)}</td>
                          <td>{seen(look.what)}</td>
                          <td class="tick">{w().times(look.times)}</td>
                        </tr>
                      )}
                    </For>
                  </tbody>
                </table>
              </section>
            </div>
          )}
        </Show>
      </Show>
    </div>
  )
}
