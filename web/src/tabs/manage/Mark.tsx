import { createResource, For, onCleanup, Show, type JSX } from 'solid-js'
import { isRefused } from '../../data/service'
import { dayAndClock } from '../../ui/settings'
import { Official } from '../channels/Official'
import { CopyLine } from './parts'
import type { SectionProps } from './shop'
import { ow } from './words/people'

const SOON_MS = 30 * 86_400_000
const LOOK_MS = 10_000

interface Support {
  contacts?: { email_address?: string; matrix_id?: string; role: string }[]
  support_page?: string
}

/** Whether the operator has looked at the shop, and how to ask them to. */
export default function Mark(props: SectionProps): JSX.Element {
  const { shop } = props
  shop.poke()
  const timer = setInterval(() => document.visibilityState === 'visible' && shop.poke(), LOOK_MS)
  onCleanup(() => clearInterval(timer))
  const mark = () => shop.channel().mark ?? undefined
  const [support] = createResource(() =>
    shop.client.matrix.call<Support>('GET', '/.well-known/matrix/support').catch((error: unknown): Support => {
      if (isRefused(error, 404)) return {}
      throw error
    }),
  )
  const ways = () => {
    if (support.error) return []
    const contacts = (support()?.contacts ?? []).filter(({ role }) => role === 'm.role.admin').map((one) => one.email_address ?? one.matrix_id)
    return [...contacts, support()?.support_page].filter((way) => way !== undefined)
  }
  return (
    <>
      <section class="block" aria-label={mark() ? ow().markHas : ow().markNone}>
        <h3>{mark() ? ow().markHas : ow().markNone}</h3>
        <Show when={mark()}>
          {(held) => (
            <>
              <p>
                <Official channel={shop.channel()} withHint />
              </p>
              <p>{ow().markUntil(dayAndClock(held().valid_until))}</p>
              <Show when={held().valid_until - Date.now() < SOON_MS}>
                <p class="wrong">{ow().markSoon}</p>
              </Show>
            </>
          )}
        </Show>
        <p class="quiet">{ow().markWhat}</p>
      </section>
      <section class="block" aria-label={ow().markAsk}>
        <h3>{ow().markAsk}</h3>
        <ol class="steps">
          <For each={ow().markSteps}>{(step) => <li>{step}</li>}</For>
        </ol>
        <CopyLine label={ow().channelId} text={shop.id} />
        <h3>{ow().operator}</h3>
        <Show when={!support.loading}>
          <ul>
            <For each={ways()} fallback={<li class="quiet">{ow().noOperator}</li>}>
              {(way) => (
                <li>
                  <Show when={/^https:/.test(way)} fallback={<CopyLine label="" text={way} />}>
                    <a href={way} target="_blank" rel="noreferrer noopener">
                      {way}
                    </a>
                  </Show>
                </li>
              )}
            </For>
          </ul>
        </Show>
      </section>
    </>
  )
}
