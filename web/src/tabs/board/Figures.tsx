import { createEffect, createMemo, createSignal, For, on, Show, type JSX } from 'solid-js'
import { barsOf, clockOf, type Bar } from '../../data/board'
import { ask, fileOf } from '../../data/service'
import type { BoardsStatsSaid } from '../../net/interface'
import { orSay } from '../../ui/errors'
import { language } from '../../ui/settings'
import { Figure, Fresh, Periods } from '../services/Parts'
import { give, open, sight } from '../services/sight'
import { may, type Desk } from './desk'
import { w } from './words'

const PERIODS = [12, 24, 168, 0] as const
const HOUR_MS = 3_600_000

/** Times to assign with their tail, and what can be taken along. */
export function Figures(props: { desk: Desk }): JSX.Element {
  const { desk } = props
  const [hours, setHours] = createSignal<number>(24)
  const stats = sight<BoardsStatsSaid>(desk.client, {
    look: () => {
      const since = hours() === 0 ? {} : { since: String(Math.round(desk.now() - hours() * HOUR_MS)) }
      return ask(desk.client.matrix, 'GET /_bongsu/v1/boards/{room_id}/stats', { room_id: desk.room }, since)
    },
    pace: () => 15_000,
  })
  createEffect(on(hours, () => stats.poke(), { defer: true }))
  const time = (ms: number | null) => (ms === null ? '–' : clockOf(ms))
  return (
    <div class="scroll">
      <div class="stack">
        <Fresh of={stats} />
        <Show when={stats.value()}>
          {(known) => (
            <>
              <section class="block" aria-labelledby="now-waiting">
                <h2 id="now-waiting">{w().waitingNow}</h2>
                <dl class="figures">
                  <Figure label={w().waitingNow} value={String(known().waiting_now)} />
                  <Figure label={w().longestOf} value={time(known().waiting_now_ms.longest)} isHot={known().waiting_now > 0} />
                  <Figure label={w().p90} value={time(known().waiting_now_ms.p90)} />
                  <Figure label={w().median} value={time(known().waiting_now_ms.median)} />
                </dl>
              </section>
              <section class="block" aria-labelledby="to-assign">
                <h2 id="to-assign">{w().timeToAssign}</h2>
                <Periods label={w().period} names={w().periods} hours={PERIODS} chosen={hours()} onChoose={setHours} />
                <dl class="figures">
                  <Figure label={w().median} value={time(known().time_to_assign_ms.median)} />
                  <Figure label={w().p90} value={time(known().time_to_assign_ms.p90)} />
                  <Figure label={w().p99} value={time(known().time_to_assign_ms.p99)} />
                  <Figure label={w().longestOf} value={time(known().time_to_assign_ms.longest)} />
                </dl>
                <p class="quiet small">
                  {w().ended(known().time_to_assign_ms.count)}. {w().figuresHint}
                </p>
                <Show when={known().without_bed_ms.count > 0}>
                  <p class="small">{w().without(known().without_bed_ms.count, time(known().without_bed_ms.longest))}</p>
                </Show>
                <Plot bars={barsOf(known())} />
              </section>
            </>
          )}
        </Show>
        <Exports desk={desk} />
      </div>
    </div>
  )
}

const upTo = (bar: Bar): string => (bar.upTo === null ? w().beyond : w().upTo(bar.upTo >= HOUR_MS ? w().hours(bar.upTo / HOUR_MS) : w().minutes(bar.upTo / 60_000)))

/** How many took how long: each bar is said to readers as a line of a list. */
function Plot(props: { bars: readonly Bar[] }): JSX.Element {
  const most = createMemo(() => Math.max(1, ...props.bars.map((bar) => bar.ended + bar.waiting)))
  const share = (count: number) => `${(count / most()) * 100}%`
  return (
    <Show when={props.bars.length > 0} fallback={<p class="quiet">{w().noFigures}</p>}>
      <ul class="plot">
        <For each={props.bars}>
          {(bar) => (
            <li>
              <span class="unseen">{w().barLabel(upTo(bar), bar.ended, bar.waiting)}</span>
              <span class="upto" aria-hidden="true">
                {upTo(bar)}
              </span>
              <span class="track" aria-hidden="true">
                <span class="ended" style={{ width: share(bar.ended) }} />
                <span class="waits" style={{ width: share(bar.waiting) }} />
              </span>
              <span class="tick small" aria-hidden="true">
                {bar.ended + bar.waiting}
              </span>
            </li>
          )}
        </For>
      </ul>
      <p class="small key" aria-hidden="true">
        <span class="ended" /> {w().endedBar} <span class="waits" /> {w().waitingBar}
      </p>
    </Show>
  )
}

function Exports(props: { desk: Desk }): JSX.Element {
  const { matrix } = props.desk.client
  const of = { room_id: props.desk.room }
  const csv = async () => give(await fileOf(matrix, 'GET /_bongsu/v1/boards/{room_id}/export.csv', of), 'requests.csv')
  const have = async () => give(await fileOf(matrix, 'GET /_bongsu/v1/boards/{room_id}/export.xml', of), 'beds.xml')
  const sheet = async () => open(await fileOf(matrix, 'GET /_bongsu/v1/boards/{room_id}/sheet', of, { lang: language() }), 'board.html')
  return (
    <section class="block">
      <h2>{w().exports}</h2>
      <div class="choices">
        <Show when={may(props.desk, 'print')}>
          <button type="button" class="plain" onClick={() => orSay(sheet())}>
            {w().sheet}
          </button>
        </Show>
        <Show when={may(props.desk, 'examine')}>
          <button type="button" class="plain" onClick={() => orSay(csv())}>
            {w().csv}
          </button>
        </Show>
        <button type="button" class="plain" onClick={() => orSay(have())}>
          {w().have}
        </button>
      </div>
    </section>
  )
}
