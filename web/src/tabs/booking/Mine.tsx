import { createMemo, For, Show, type JSX } from 'solid-js'
import { sorted } from '../../data/booking'
import { ask } from '../../data/service'
import type { MyBooking } from '../../net/interface'
import { useClient } from '../../ui/client'
import { openPage } from '../../ui/route'
import { dayAndClock, t } from '../../ui/settings'
import { Fresh, Pending } from '../services/Parts'
import { intentsOf, sight, ticking, watch } from '../services/sight'
import { intentName } from './wishes'
import { w } from './words'

/** One's bookings: those to come, and those that were. */
export function Mine(): JSX.Element {
  const client = useClient()
  const now = ticking()
  const mine = sight<{ bookings: MyBooking[]; now: number }>(client, {
    look: () => ask(client.matrix, 'GET /_bongsu/v1/bookings', {}, { dir: 'b', limit: '200' }),
    pace: () => 30_000,
    name: 'bookings',
  })
  watch(client, (entries) => entries.some((entry) => entry.content['bongsu.booking']) && mine.poke())
  const intents = intentsOf(client, () => 'booking offer ', () => mine.poke())
  const all = createMemo(() => sorted(mine.value()?.bookings ?? [], now() + mine.skew()))
  return (
    <>
      <Fresh of={mine} />
      <Pending intents={intents()} nameOf={intentName} />
      <Show
        when={(mine.value()?.bookings.length ?? 0) > 0}
        fallback={
          <p class="empty">
            <Show when={mine.value()} fallback={t().loading}>
              <strong>{w().noneMine}</strong>
              {w().noneMineHint}
            </Show>
          </p>
        }
      >
        <Part title={w().nextUp} bookings={all().coming} />
        <Part title={w().before} bookings={all().past} />
      </Show>
    </>
  )
}

function Part(props: { title: string; bookings: MyBooking[] }): JSX.Element {
  return (
    <Show when={props.bookings.length > 0}>
      <section aria-label={props.title}>
        <h2>{props.title}</h2>
        <ul class="offers">
          <For each={props.bookings}>
            {(one) => (
              <li>
                <button type="button" class="block offer" onClick={() => openPage('booking', 'offer', one.offer_id)}>
                  <span class="what">
                    <strong>{one.offer.title}</strong>
                    <span>{dayAndClock(one.offer.starts_at)}</span>
                    <span class="quiet small">{[one.offer.area, one.offer.place].filter(Boolean).join(' · ')}</span>
                  </span>
                  <span class="state">
                    <span class="tag" classList={{ hot: one.state === 'booked', warm: one.state === 'held' || one.state === 'waiting' }}>
                      {w().states[one.state]}
                    </span>
                  </span>
                </button>
              </li>
            )}
          </For>
        </ul>
      </section>
    </Show>
  )
}
