import { createEffect, createSignal, For, on, Show, type JSX } from 'solid-js'
import { clockOf } from '../../../data/board'
import { MARKS, placeOf, QUANTILES, quantilesOf, waitedOf, type Talk } from '../../../data/channelDesk'
import { ask } from '../../../data/service'
import type { ChannelsStatsSaid, Distribution } from '../../../net/interface'
import { Figure, Fresh, Periods } from '../../services/Parts'
import { sight } from '../../services/sight'
import type { Place } from './place'
import { w } from './words'

const PERIODS = [24, 168, 720, 0] as const
const HOUR_MS = 3_600_000
const LOOK_MS = 20_000

/** How long customers waited for a first answer, with the tail of it, and who waits now. */
export function Figures(props: { place: Place; waiting: readonly Talk[] }): JSX.Element {
  const { shop } = props.place
  const [hours, setHours] = createSignal<number>(168)
  const [isOfPeople, setOfPeople] = createSignal(false)
  const stats = sight<ChannelsStatsSaid>(shop.client, {
    look: () => {
      const since = hours() === 0 ? {} : { since: String(Math.max(0, Math.round(props.place.now() - hours() * HOUR_MS))) }
      return ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/desk/stats', { channel_id: shop.id }, since)
    },
    pace: () => LOOK_MS,
  })
  createEffect(on(hours, () => stats.poke(), { defer: true }))
  const waits = () => props.waiting.flatMap((talk) => waitedOf(talk, props.place.now()) ?? [])
  return (
    <div class="scroll">
      <div class="stack">
        <Fresh of={stats} />
        <Show when={stats.value()}>
          {(known) => (
            <>
              <section class="block" aria-labelledby="cdesk-now">
                <h3 id="cdesk-now">{w().waitingNow}</h3>
                <dl class="cdesk-figures">
                  <For each={['waiting', 'open', 'bot']}>{(state) => <Figure label={w().states[state]!} value={String(known().conversations[state] ?? 0)} isHot={state === 'waiting' && (known().conversations[state] ?? 0) > 0} />}</For>
                  <Figure label={w().quantiles.longest} value={known().waiting_now_ms.longest === null ? w().nobody : clockOf(known().waiting_now_ms.longest!)} />
                </dl>
                <Show when={known().waiting_now_ms.count > 0} fallback={<p class="quiet small">{w().nobodyWaits}</p>}>
                  <Dots times={waits()} />
                </Show>
              </section>
              <section class="block" aria-labelledby="cdesk-first">
                <h3 id="cdesk-first">{w().firstAnswer}</h3>
                <Periods label={w().period} names={w().periods} hours={PERIODS} chosen={hours()} onChoose={setHours} />
                <div class="switches" role="group" aria-label={w().firstAnswer}>
                  <button type="button" aria-pressed={!isOfPeople()} onClick={() => setOfPeople(false)}>
                    {w().byAnybody}
                  </button>
                  <button type="button" aria-pressed={isOfPeople()} onClick={() => setOfPeople(true)}>
                    {w().byPerson}
                  </button>
                </div>
                <Times of={isOfPeople() ? known().first_answer_by_person_ms : known().first_answer_ms} />
              </section>
            </>
          )}
        </Show>
      </div>
    </div>
  )
}

function Times(props: { of: Distribution }): JSX.Element {
  return (
    <>
      <dl class="cdesk-figures">
        <For each={QUANTILES}>{(name) => <Figure label={w().quantiles[name]} value={props.of[name] === null ? '–' : clockOf(props.of[name]!)} />}</For>
      </dl>
      <Show when={props.of.count > 0} fallback={<p class="quiet small">{w().nobodyYet}</p>}>
        <div class="cdesk-plot" aria-hidden="true">
          <For each={quantilesOf(props.of)}>
            {({ name, ms }) => (
              <>
                <span class="upto">{w().quantiles[name]}</span>
                <span class="track">
                  <span class="bar-of" style={{ width: `${Math.max(1, placeOf(ms) * 100)}%` }} />
                </span>
              </>
            )}
          </For>
          <Marks />
        </div>
        <p class="quiet small">
          {w().counted(props.of.count)}. {w().quantileHint} {w().axis}
        </p>
      </Show>
    </>
  )
}

/** Each customer who waits as a dot. */
function Dots(props: { times: number[] }): JSX.Element {
  return (
    <div class="cdesk-plot" aria-hidden="true">
      <span />
      <span class="track">
        <For each={props.times}>{(ms) => <span class="dot" style={{ left: `${placeOf(ms) * 100}%` }} />}</For>
      </span>
      <Marks />
    </div>
  )
}

function Marks(): JSX.Element {
  return (
    <>
      <span />
      <span class="marks">
        <For each={MARKS}>{(mark) => <span style={{ left: `${placeOf(mark) * 100}%` }}>{w().marks[mark]}</span>}</For>
      </span>
    </>
  )
}
