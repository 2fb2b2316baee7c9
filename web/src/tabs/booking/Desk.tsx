import { createEffect, createMemo, createSignal, For, on, Show, type JSX } from 'solid-js'
import { guestName, isSought, type Offer } from '../../data/booking'
import { isOpen, type Intent } from '../../data/intents'
import { ask, askAll, fileOf } from '../../data/service'
import type { Guest } from '../../net/interface'
import { useClient } from '../../ui/client'
import { Confirm } from '../../ui/Dialog'
import { orSay } from '../../ui/errors'
import { dayAndClock, t } from '../../ui/settings'
import { Fresh, Pending } from '../services/Parts'
import { give, intentsOf, sight, ticking } from '../services/sight'
import { sw } from '../services/words'
import { Check } from './Check'
import { Left } from './Find'
import { checkIn, close, deskLane, intentName, noShow } from './wishes'
import { w } from './words'

const STEP = 200
const COMING: readonly string[] = ['booked', 'no_show']

/** The provider's side of one offer: who has booked, who has come. */
export function Desk(props: { id: string }): JSX.Element {
  const client = useClient()
  const tick = ticking()
  const [limit, setLimit] = createSignal(STEP)
  const [words, setWords] = createSignal('')
  const [isClosing, setClosing] = createSignal(false)
  const of = { offer_id: props.id }
  const offer = sight<Offer>(client, { look: () => ask(client.matrix, 'GET /_bongsu/v1/bookings/offers/{offer_id}', of), pace: () => 15_000, name: `offer ${props.id}` })
  const guests = sight<{ guests: Guest[] }>(client, {
    look: async () => ({ guests: (await askAll(client.matrix, 'GET /_bongsu/v1/bookings/offers/{offer_id}/bookings', 'bookings', of, { limit: '500' })).rows }),
    pace: () => 15_000,
    name: `guests ${props.id}`,
  })
  const both = () => {
    offer.poke()
    guests.poke()
  }
  const intents = intentsOf(client, () => deskLane(props.id), both)
  createEffect(on(() => intents().filter((intent) => intent.state === 'failed').length, (count) => count > 0 && both()))
  const live = createMemo(() => (guests.value()?.guests ?? []).filter((guest) => !['cancelled', 'expired'].includes(guest.state)))
  const count = (...states: string[]) => live().filter((guest) => states.includes(guest.state)).length
  const shown = createMemo(() => live().filter((guest) => isSought(guest, words())))
  const underWay = (guest: Guest): Intent | undefined => intents().find((intent) => isOpen(intent) && intent.lane === `${deskLane(props.id)}${guest.booking_id}`)
  const hasBegun = () => tick() + offer.skew() >= (offer.value()?.starts_at ?? Infinity)
  const csv = async () => give(await fileOf(client.matrix, 'GET /_bongsu/v1/bookings/offers/{offer_id}/bookings.csv', of), 'bookings.csv')
  return (
    <Show when={offer.value()} fallback={<Fresh of={offer} />}>
      {(known) => (
        <>
          <section class="block">
            <h2>{known().title}</h2>
            <p>
              {dayAndClock(known().starts_at)} · {[known().area, known().place].filter(Boolean).join(' · ')}
            </p>
            <p>
              <span class="tag">{w().offerStates[known().state]}</span> <Left offer={known()} now={tick() + offer.skew()} />
            </p>
            <p class="tick">{w().counts(count('booked', 'held'), count('arrived'), count('waiting'))}</p>
            <Fresh of={guests} />
            <p class="choices">
              <button type="button" class="plain" onClick={() => orSay(csv())}>
                {w().csv}
              </button>
              <Show when={known().state !== 'closed'}>
                <button type="button" class="plain" onClick={() => setClosing(true)}>
                  {w().closeOffer}
                </button>
              </Show>
            </p>
          </section>
          <Check offer={props.id} guests={guests.value()?.guests ?? []} />
          <Pending intents={intents()} nameOf={intentName} />
          <section class="block">
            <h2>{w().guests}</h2>
            <input type="search" aria-label={t().search} placeholder={t().search} value={words()} onInput={(event) => setWords(event.currentTarget.value)} />
            <ul>
              <For each={shown().slice(0, limit())} fallback={<li class="quiet">{guests.value() ? w().noGuests : t().loading}</li>}>
                {(guest) => (
                  <li class="guest">
                    <span class="tick quiet">{guest.arrival}</span>
                    <span class="what">
                      <strong>{guestName(guest)}</strong>
                      <span class="tag" classList={{ hot: guest.state === 'arrived' }}>
                        {w().states[guest.state]}
                      </span>
                      <Show when={underWay(guest)}>
                        <span class="tag warm">{sw().sending}</span>
                      </Show>
                    </span>
                    <Show when={COMING.includes(guest.state) && !underWay(guest)}>
                      <span class="acts">
                        <button type="button" class="plain" aria-label={`${w().arrived}: ${guestName(guest)}`} onClick={() => checkIn(client, props.id, { booking_id: guest.booking_id }, guest.booking_id)}>
                          {w().arrived}
                        </button>
                        <Show when={guest.state === 'booked' && hasBegun()}>
                          <button type="button" class="plain" aria-label={`${w().missed}: ${guestName(guest)}`} onClick={() => noShow(client, props.id, guest.booking_id)}>
                            {w().missed}
                          </button>
                        </Show>
                      </span>
                    </Show>
                  </li>
                )}
              </For>
            </ul>
            <Show when={shown().length > limit()}>
              <button type="button" class="plain" onClick={() => setLimit(limit() + STEP)}>
                {sw().more(shown().length - limit())}
              </button>
            </Show>
          </section>
          <Show when={isClosing()}>
            <Confirm
              title={w().closeOffer}
              text={w().closeConfirm}
              action={w().closeOffer}
              onClose={() => setClosing(false)}
              onYes={() => {
                close(client, props.id)
                setClosing(false)
              }}
            />
          </Show>
        </>
      )}
    </Show>
  )
}
