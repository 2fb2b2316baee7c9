import { createEffect, createMemo, createSignal, Match, on, onCleanup, Show, Switch, type JSX } from 'solid-js'
import { clockOf } from '../../data/board'
import { current, isLive, paceOf, standingOf, type Offer } from '../../data/booking'
import { isOpen } from '../../data/intents'
import { ask, fileOf, isRefused } from '../../data/service'
import type { BookingSaid } from '../../net/interface'
import { useClient } from '../../ui/client'
import { Confirm } from '../../ui/Dialog'
import { orSay } from '../../ui/errors'
import { personName } from '../../ui/personName'
import { openPage } from '../../ui/route'
import { speak } from '../../ui/say'
import { fromTo } from '../../ui/settings'
import { Fresh, Pending } from '../services/Parts'
import { give, intentsOf, sight, ticking, watch } from '../services/sight'
import { sw } from '../services/words'
import { Left } from './Find'
import { book, cancel, confirm, intentName, laneOf } from './wishes'
import { w } from './words'

const DAY_MS = 86_400_000

/** One offer, and what this person has of it: nothing, a place in line, a held place, a booking. */
export function OfferView(props: { id: string }): JSX.Element {
  const client = useClient()
  const tick = ticking()
  const offer = sight<Offer>(client, {
    look: () => ask(client.matrix, 'GET /_bongsu/v1/bookings/offers/{offer_id}', { offer_id: props.id }),
    pace: (seen) => paceOf(seen && current(seen), seen?.now ?? Date.now()),
    name: `offer ${props.id}`,
  })
  const now = () => tick() + offer.skew()
  const intents = intentsOf(client, () => laneOf(props.id), () => offer.poke())
  const booking = createMemo(() => (offer.value() ? current(offer.value()!) : undefined))
  watch(client, (entries) => entries.some((entry) => entry.content['bongsu.booking']?.offer_id === props.id) && offer.poke())
  createEffect(on(() => intents().filter((intent) => intent.state === 'failed').length, (count) => count > 0 && offer.poke()))
  createEffect(on(booking, (is, was) => is && was && (is.state !== was.state || is.position !== was.position) && speak(is.state === 'waiting' ? `${w().position}: ${w().place(is.position ?? 0)}` : w().states[is.state]!)))
  return (
    <>
      <Show when={isRefused(offer.error(), 404)}>
        <p class="wrong">{sw().errors['M_NOT_FOUND']}</p>
      </Show>
      <Show when={offer.value()} fallback={<Fresh of={offer} />}>
        {(known) => (
          <>
            <section class="block">
              <h2>{known().title}</h2>
              <dl class="facts">
                <dt>{w().when}</dt>
                <dd>
                  {fromTo(known().starts_at, known().ends_at)}
                </dd>
                <dt>{w().where}</dt>
                <dd>{[known().area, known().place].filter(Boolean).join(' · ')}</dd>
                <dt>{w().by}</dt>
                <dd>{personName(client, known().provider)}</dd>
              </dl>
              <p>
                <Left offer={known()} now={now()} />
                <Show when={known().room_id}>
                  {' '}
                  <span class="tag">{w().membersOnly}</span>
                </Show>
              </p>
              <Fresh of={offer} />
              <Show when={known().provider === client.me}>
                <p>
                  <button type="button" class="plain" onClick={() => openPage('booking', 'desk', props.id)}>
                    {w().desk}
                  </button>
                </p>
              </Show>
            </section>
            <Pending intents={intents()} nameOf={intentName} />
            <Show when={booking()} fallback={<Take offer={known()} now={now()} isUnderWay={intents().some(isOpen)} />}>
              {(held) => <Held offer={known()} booking={held()} now={now()} isUnderWay={intents().some(isOpen)} />}
            </Show>
          </>
        )}
      </Show>
    </>
  )
}

interface Part {
  offer: Offer
  now: number
  isUnderWay: boolean
}

/** Nothing yet. What was sent and not answered is no booking, and is not shown as one. */
function Take(props: Part): JSX.Element {
  const client = useClient()
  const standing = () => standingOf(props.offer, props.now)
  const take = (waitlist: boolean) => book(client, props.offer.offer_id, waitlist)
  return (
    <section class="block" aria-live="polite">
      <Show when={!props.isUnderWay} fallback={<p>{w().notBooked}</p>}>
        <Switch>
          <Match when={standing() === 'free'}>
            <button type="button" class="strong wide" onClick={() => take(false)}>
              {w().book}
            </button>
          </Match>
          <Match when={standing() === 'early'}>
            <p class="quiet">{w().lineHint}</p>
            <button type="button" class="strong wide" onClick={() => take(false)}>
              {w().standInLine}
            </button>
          </Match>
          <Match when={standing() === 'full'}>
            <p class="quiet">{w().lineHint}</p>
            <button type="button" class="strong wide" onClick={() => take(true)}>
              {w().waitFor}
            </button>
          </Match>
          <Match when={standing() === 'late'}>
            <p class="quiet">{w().late}</p>
          </Match>
          <Match when={standing() === 'over'}>
            <p class="quiet">{w().over}</p>
          </Match>
        </Switch>
        <Show when={props.offer.hold_seconds > 0 && standing() !== 'over'}>
          <p class="quiet small">{w().holdHint(Math.max(1, Math.round(props.offer.hold_seconds / 60)))}</p>
        </Show>
      </Show>
    </section>
  )
}

function Held(props: Part & { booking: BookingSaid }): JSX.Element {
  const client = useClient()
  const [isLeaving, setLeaving] = createSignal(false)
  const left = () => (props.booking.until ?? 0) - props.now
  return (
    <section class="block standing" data-state={props.booking.state}>
      <Switch fallback={<p class="tag">{w().states[props.booking.state]}</p>}>
        <Match when={props.booking.state === 'waiting'}>
          <p class="quiet">{w().position}</p>
          <p class="position tick">{w().place(props.booking.position ?? 0)}</p>
          <p class="quiet small">{w().lineNote}</p>
        </Match>
        <Match when={props.booking.state === 'held'}>
          <h3>{w().held}</h3>
          <p class="position tick" role="timer">
            {left() > 0 ? clockOf(left()) : '0:00'}
          </p>
          <p>{left() > 0 ? w().heldLeft(clockOf(Math.ceil(left() / 60_000) * 60_000)) : w().heldOver}</p>
          <button type="button" class="strong wide" disabled={props.isUnderWay} onClick={() => confirm(client, props.offer.offer_id, props.booking.booking_id)}>
            {w().confirm}
          </button>
        </Match>
        <Match when={props.booking.state === 'booked'}>
          <p>
            <span class="tag hot">{w().states['booked']}</span>
          </p>
          <Ticket offer={props.offer} booking={props.booking} />
        </Match>
      </Switch>
      <Show when={isLive(props.booking)}>
        <p class="choices">
          <Show when={props.booking.state === 'booked'}>
            <button type="button" class="plain" onClick={() => orSay(calendar(client, props.booking.booking_id))}>
              {w().calendar}
            </button>
          </Show>
          <button type="button" class="plain" disabled={props.isUnderWay} onClick={() => setLeaving(true)}>
            {props.booking.state === 'waiting' ? w().leave : w().cancel}
          </button>
        </p>
      </Show>
      <Show when={isLeaving()}>
        <Confirm
          title={props.booking.state === 'waiting' ? w().leave : w().cancel}
          text={w().cancelConfirm}
          action={props.booking.state === 'waiting' ? w().leave : w().cancel}
          onClose={() => setLeaving(false)}
          onYes={() => {
            cancel(client, props.offer.offer_id, props.booking.booking_id)
            setLeaving(false)
          }}
        />
      </Show>
    </section>
  )
}

async function calendar(client: ReturnType<typeof useClient>, booking_id: string): Promise<void> {
  give(await fileOf(client.matrix, 'GET /_bongsu/v1/bookings/{booking_id}/calendar.ics', { booking_id }), 'booking.ics')
}

/** The signed code. It is kept, so that it can be shown where there is no network. */
function Ticket(props: { offer: Offer; booking: BookingSaid }): JSX.Element {
  const client = useClient()
  const [address, setAddress] = createSignal<string>()
  const id = props.booking.booking_id
  const show = (code: Blob) => setAddress((before) => (before && URL.revokeObjectURL(before), URL.createObjectURL(code)))
  const load = async () => {
    const kept = await client.sights.last<Blob>(`ticket ${id}`)
    if (kept) return show(kept.value)
    const code = await fileOf(client.matrix, 'GET /_bongsu/v1/bookings/{booking_id}/ticket.svg', { booking_id: id })
    await client.sights.keep(`ticket ${id}`, code, props.offer.ends_at + DAY_MS).catch(() => {})
    show(code)
  }
  const again = () => void load().catch(() => {})
  again()
  onCleanup(client.on('health', () => address() === undefined && again()))
  onCleanup(() => address() && URL.revokeObjectURL(address()!))
  return (
    <figure class="ticket">
      <Show when={address()} fallback={<p class="quiet">{w().ticketMissing}</p>}>
        {(source) => <img src={source()} alt={w().ticket} width="240" height="240" />}
      </Show>
      <figcaption>
        <span class="small">
          {w().ticketNumber} <code>{id}</code>
        </span>
        <span class="quiet small">{w().ticketHint}</span>
      </figcaption>
    </figure>
  )
}
