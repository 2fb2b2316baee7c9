import { createEffect, createMemo, createSignal, For, on, Show, type JSX } from 'solid-js'
import { dayOf, fits, standingOf, type Offer } from '../../data/booking'
import { ask, askAll } from '../../data/service'
import type { MyBooking, Subscription } from '../../net/interface'
import { useClient } from '../../ui/client'
import { openPage } from '../../ui/route'
import { dayAndClock, shortTime, t } from '../../ui/settings'
import { Field, Fresh, Pending } from '../services/Parts'
import { intentsOf, sight, ticking, watch } from '../services/sight'
import { sw } from '../services/words'
import { intentName, TOLD, tellMe, untell } from './wishes'
import { w } from './words'

const FAR = Number.MAX_SAFE_INTEGER

/** What can be booked, by area and time; and who wants to be told of more. */
export function Find(): JSX.Element {
  const client = useClient()
  const now = ticking()
  const [area, setArea] = createSignal('')
  const [from, setFrom] = createSignal('')
  const [to, setTo] = createSignal('')
  const [words, setWords] = createSignal('')
  const [onlyFree, setOnlyFree] = createSignal(false)
  const range = () => ({ not_before: dayOf(from()), not_after: dayOf(to(), 1) })
  const offers = sight<{ offers: Offer[]; now: number }>(client, {
    look: async () => {
      const { not_before, not_after } = range()
      const times = { ...(not_before !== null && { not_before: String(not_before) }), ...(not_after !== null && { not_after: String(not_after) }) }
      const { rows, last } = await askAll(client.matrix, 'GET /_bongsu/v1/bookings/offers', 'offers', {}, { limit: '200', ...times })
      return { offers: rows, now: last.now }
    },
    pace: () => 20_000,
    name: 'offers',
  })
  const mine = sight<{ bookings: MyBooking[] }>(client, {
    look: () => ask(client.matrix, 'GET /_bongsu/v1/bookings', {}, { dir: 'b', limit: '200' }),
    pace: () => 60_000,
    name: 'bookings',
  })
  createEffect(on([from, to], () => offers.poke(), { defer: true }))
  watch(client, (entries) => {
    if (!entries.some((entry) => entry.content['bongsu.booking'])) return
    offers.poke()
    mine.poke()
  })
  const areas = createMemo(() => [...new Set((offers.value()?.offers ?? []).map((offer) => offer.area).filter(Boolean))].toSorted())
  const shown = createMemo(() => {
    const want = { words: words(), onlyFree: onlyFree() }
    return (offers.value()?.offers ?? []).filter((offer) => (!area() || offer.area.includes(area().trim())) && fits(offer, want))
  })
  const stateOf = (id: string) => mine.value()?.bookings.find((one) => one.offer_id === id && !['cancelled', 'expired'].includes(one.state))?.state
  const subscribe = () => {
    const { not_before, not_after } = range()
    tellMe(client, { area: area().trim(), ...(not_before !== null && { not_before }), ...(not_after !== null && { not_after }) })
  }
  return (
    <>
      <div class="finders">
        <Field label={sw().area}>
          <input list="areas" value={area()} onInput={(event) => setArea(event.currentTarget.value)} />
        </Field>
        <datalist id="areas">
          <For each={areas()}>{(one) => <option value={one} />}</For>
        </datalist>
        <Field label={w().from}>
          <input type="date" value={from()} onChange={(event) => setFrom(event.currentTarget.value)} />
        </Field>
        <Field label={w().to}>
          <input type="date" value={to()} onChange={(event) => setTo(event.currentTarget.value)} />
        </Field>
        <Field label={w().findWords}>
          <input type="search" value={words()} onInput={(event) => setWords(event.currentTarget.value)} />
        </Field>
        <label class="check">
          <input type="checkbox" checked={onlyFree()} onChange={(event) => setOnlyFree(event.currentTarget.checked)} />
          {w().onlyFree}
        </label>
        <button type="button" class="plain" onClick={subscribe}>
          {w().tellMe}
        </button>
      </div>
      <Fresh of={offers} />
      <ul class="offers">
        <For
          each={shown()}
          fallback={
            <li class="empty">
              <Show when={offers.value()} fallback={t().loading}>
                <strong>{w().nothing}</strong>
                {w().nothingHint}
              </Show>
            </li>
          }
        >
          {(offer) => <OfferLine offer={offer} state={stateOf(offer.offer_id)} now={now() + offers.skew()} />}
        </For>
      </ul>
      <Subscriptions />
    </>
  )
}

function OfferLine(props: { offer: Offer; state: string | undefined; now: number }): JSX.Element {
  return (
    <li>
      <button type="button" class="block offer" onClick={() => openPage('booking', 'offer', props.offer.offer_id)}>
        <span class="what">
          <strong>{props.offer.title}</strong>
          <span>{dayAndClock(props.offer.starts_at)}</span>
          <span class="quiet small">{[props.offer.area, props.offer.place].filter(Boolean).join(' · ')}</span>
        </span>
        <span class="state">
          <Show when={props.state}>{(state) => <span class="tag hot">{w().states[state()]}</span>}</Show>
          <Left offer={props.offer} now={props.now} />
        </span>
      </button>
    </li>
  )
}

/** What is left of an offer. */
export function Left(props: { offer: Offer; now: number }): JSX.Element {
  const text = () =>
    ({
      none: '',
      over: w().over,
      full: w().full,
      late: w().full,
      early: w().opensAt(shortTime(props.offer.opens_at)),
      free: w().free(props.offer.available, props.offer.capacity),
    })[standingOf(props.offer, props.now)]
  return <span class="small tick">{text()}</span>
}

function Subscriptions(): JSX.Element {
  const client = useClient()
  const told = sight<{ subscriptions: Subscription[] }>(client, { look: () => ask(client.matrix, 'GET /_bongsu/v1/bookings/subscriptions', {}), pace: () => 300_000 })
  const intents = intentsOf(client, () => TOLD, () => told.poke())
  const day = (at: number) => (at <= 0 || at >= FAR ? '' : shortTime(at))
  const times = (one: Subscription) => (one.not_before <= 0 && one.not_after >= FAR ? w().anyTime : w().between(day(one.not_before), day(one.not_after)))
  return (
    <>
      <Pending intents={intents()} nameOf={intentName} />
      <Show when={(told.value()?.subscriptions.length ?? 0) > 0}>
        <section class="block">
          <h2>{w().told}</h2>
          <ul>
            <For each={told.value()!.subscriptions}>
              {(one) => (
                <li class="told">
                  <span>
                    {one.area || w().everywhere} · {times(one)}
                  </span>
                  <button type="button" class="plain" aria-label={`${w().untell}: ${one.area || w().everywhere}`} onClick={() => untell(client, one.subscription_id)}>
                    {w().untell}
                  </button>
                </li>
              )}
            </For>
          </ul>
        </section>
      </Show>
    </>
  )
}
