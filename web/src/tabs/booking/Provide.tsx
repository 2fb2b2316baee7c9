import { createSignal, For, Show, type JSX } from 'solid-js'
import { momentOf, typedOf, type Offer } from '../../data/booking'
import { roomName } from '../../data/rooms'
import { ask } from '../../data/service'
import type { NewOffer } from '../../net/interface'
import { useClient } from '../../ui/client'
import { Dialog } from '../../ui/Dialog'
import { openPage } from '../../ui/route'
import { compareNames, dayAndClock, t } from '../../ui/settings'
import { Field, Fresh, Pending, read } from '../services/Parts'
import { intentsOf, sight, ticking } from '../services/sight'
import { sw } from '../services/words'
import { Left } from './Find'
import { intentName, publish, PUBLISH } from './wishes'
import { w } from './words'

const HOUR_MS = 3_600_000

/** What one offers to others. */
export function Provide(): JSX.Element {
  const client = useClient()
  const now = ticking()
  const [isNew, setNew] = createSignal(false)
  const own = sight<{ offers: Offer[]; now: number }>(client, {
    look: () => ask(client.matrix, 'GET /_bongsu/v1/bookings/offers', {}, { mine: 'true', limit: '200' }),
    pace: () => 30_000,
    name: 'own offers',
  })
  const intents = intentsOf(client, () => PUBLISH, () => own.poke())
  return (
    <>
      <p class="choices">
        <button type="button" class="strong" onClick={() => setNew(true)}>
          {w().open}
        </button>
      </p>
      <Fresh of={own} />
      <Pending intents={intents()} nameOf={intentName} />
      <ul class="offers">
        <For each={own.value()?.offers ?? []} fallback={<li class="empty">{own.value() ? w().noneProvided : t().loading}</li>}>
          {(offer) => (
            <li>
              <button type="button" class="block offer" onClick={() => openPage('booking', 'desk', offer.offer_id)}>
                <span class="what">
                  <strong>{offer.title}</strong>
                  <span>{dayAndClock(offer.starts_at)}</span>
                  <span class="quiet small">{[offer.area, offer.place].filter(Boolean).join(' · ')}</span>
                </span>
                <span class="state">
                  <span class="tag">{w().offerStates[offer.state]}</span>
                  <Left offer={offer} now={now() + own.skew()} />
                </span>
              </button>
            </li>
          )}
        </For>
      </ul>
      <Show when={isNew()}>
        <NewOfferForm onClose={() => setNew(false)} />
      </Show>
    </>
  )
}

function NewOfferForm(props: { onClose: () => void }): JSX.Element {
  const client = useClient()
  const hour = Math.ceil(Date.now() / HOUR_MS) * HOUR_MS
  const [starts, setStarts] = createSignal(typedOf(hour))
  const rooms = client
    .rooms()
    .filter((room) => room.membership === 'join')
    .map((room) => ({ id: room.id, name: roomName(room, client.me, client.account) }))
    .toSorted((left, right) => compareNames(left.name, right.name))
  function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): void {
    event.preventDefault()
    const said = read(event.currentTarget)
    const [ends, opens] = [momentOf(said['ends'] ?? ''), momentOf(said['opens'] ?? '')]
    const body: NewOffer = {
      title: said['title'] ?? '',
      place: said['place'] ?? '',
      area: said['area'] ?? '',
      starts_at: momentOf(said['starts'] ?? '') ?? hour,
      capacity: Number(said['capacity']),
      hold_seconds: Number(said['hold']) * 60,
      ...(ends !== null && { ends_at: ends }),
      ...(opens !== null && { opens_at: opens }),
      ...(said['room'] && { room_id: said['room'] }),
    }
    publish(client, body)
    props.onClose()
  }
  return (
    <Dialog kind="page" title={w().open} onClose={props.onClose}>
      <form class="form" onSubmit={send}>
        <Field label={w().name} hint={w().nameHint}>
          <input name="title" required maxlength="160" />
        </Field>
        <Field label={w().where} hint={w().placeHint}>
          <input name="place" required maxlength="160" />
        </Field>
        <Field label={`${sw().area} (${sw().optional})`} hint={w().areaHint}>
          <input name="area" maxlength="160" />
        </Field>
        <div class="pair">
          <Field label={w().starts}>
            <input name="starts" type="datetime-local" required value={starts()} onChange={(event) => setStarts(event.currentTarget.value)} />
          </Field>
          <Field label={w().ends}>
            <input name="ends" type="datetime-local" required min={starts()} value={typedOf((momentOf(starts()) ?? hour) + HOUR_MS)} />
          </Field>
        </div>
        <div class="pair">
          <Field label={w().capacity}>
            <input name="capacity" type="number" min="1" max="100000" required value="10" />
          </Field>
          <Field label={w().hold} hint={w().holdFormHint}>
            <input name="hold" type="number" min="0" max="1440" required value="0" />
          </Field>
        </div>
        <Field label={`${w().opens} (${sw().optional})`} hint={w().opensHint}>
          <input name="opens" type="datetime-local" min={typedOf(Date.now())} />
        </Field>
        <Field label={w().who}>
          <select name="room">
            <option value="">{w().everybody}</option>
            <For each={rooms}>{(room) => <option value={room.id}>{room.name}</option>}</For>
          </select>
        </Field>
        <button class="strong wide">{w().openIt}</button>
      </form>
    </Dialog>
  )
}
