import { createEffect, createMemo, createSignal, For, on, Show, type JSX } from 'solid-js'
import { isOpen } from '../../data/intents'
import { askAll } from '../../data/service'
import type { BedSaid, NewBeds } from '../../net/interface'
import { Confirm, Dialog } from '../../ui/Dialog'
import { compareNames, dayAndClock, t } from '../../ui/settings'
import { Field, Fresh, read } from '../services/Parts'
import { sight } from '../services/sight'
import { sw } from '../services/words'
import { Kinds, pickedKinds, placeOf, PlaceFields } from './Ask'
import { laneOf, may, nameOf, publish, withdraw, type Desk } from './desk'
import { kindList, w } from './words'

const HOURS = [1, 4, 12, 24, 72] as const
const HOUR_MS = 3_600_000

/** What hospitals have, by hospital. */
export function Beds(props: { desk: Desk; told: number }): JSX.Element {
  const { desk } = props
  const [form, setForm] = createSignal<BedSaid | 'new'>()
  const [leaving, setLeaving] = createSignal<BedSaid>()
  const beds = sight<{ beds: BedSaid[]; now: number }>(desk.client, {
    look: async () => {
      const { rows, last } = await askAll(desk.client.matrix, 'GET /_bongsu/v1/boards/{room_id}/beds', 'beds', { room_id: desk.room }, { limit: '500' })
      return { beds: rows, now: last.now }
    },
    pace: () => 60_000,
    name: `beds ${desk.room}`,
  })
  createEffect(on(() => props.told, () => beds.poke(), { defer: true }))
  const isOwn = (bed: BedSaid) => may(desk, 'publish') && (desk.board().role !== 'provider' || bed.hospital === desk.board().hospital)
  const hospitals = createMemo(() => {
    const all = new Map<string, BedSaid[]>()
    for (const bed of beds.value()?.beds ?? []) all.set(bed.hospital, [...(all.get(bed.hospital) ?? []), bed])
    return [...all].toSorted(([left], [right]) => compareNames(left, right))
  })
  return (
    <div class="scroll">
      <div class="bed-head">
        <Fresh of={beds} />
        <Show when={may(desk, 'publish')}>
          <button type="button" class="strong" onClick={() => setForm('new')}>
            {w().publish}
          </button>
        </Show>
      </div>
      <div class="hospitals">
        <For each={hospitals()} fallback={<p class="empty">{beds.value() ? w().noBeds : t().loading}</p>}>
          {([hospital, own]) => (
            <section class="block" aria-label={hospital}>
              <h3>{hospital.startsWith('@') ? nameOf(desk, hospital) : hospital}</h3>
              <ul>
                <For each={own}>
                  {(bed) => <BedLine desk={desk} bed={bed} isOwn={isOwn(bed)} onRenew={() => setForm(bed)} onWithdraw={() => setLeaving(bed)} />}
                </For>
              </ul>
            </section>
          )}
        </For>
      </div>
      <Show when={form()} keyed>
        {(bed) => <Publish desk={desk} bed={bed === 'new' ? undefined : bed} onClose={() => setForm(undefined)} />}
      </Show>
      <Show when={leaving()} keyed>
        {(bed) => (
          <Confirm
            title={`${w().withdraw}: ${kindList(bed.kinds)}`}
            text={w().withdrawConfirm}
            action={w().withdraw}
            onClose={() => setLeaving(undefined)}
            onYes={() => {
              withdraw(desk, bed.bed_id)
              setLeaving(undefined)
            }}
          />
        )}
      </Show>
    </div>
  )
}

function BedLine(props: { desk: Desk; bed: BedSaid; isOwn: boolean; onRenew: () => void; onWithdraw: () => void }): JSX.Element {
  const isUnderWay = () => props.desk.intents().some((intent) => isOpen(intent) && intent.lane === `${laneOf(props.desk.room)}bed ${props.bed.bed_id}`)
  const isValid = () => props.bed.valid_until > props.desk.now()
  /** Counted from what is seen: were beds given meanwhile, the server refuses, and nothing is given away twice. */
  const change = (by: number) => publish(props.desk, { ...asPublished(props.bed), free: Math.max(0, props.bed.free + by), version: props.bed.version })
  return (
    <li class="bed" classList={{ old: !isValid() }}>
      <span class="what">
        <strong>{kindList(props.bed.kinds)}</strong>
        <span class="quiet small">
          {[props.bed.place.area, props.bed.note].filter(Boolean).join(' · ')} {isValid() ? w().validUntil(dayAndClock(props.bed.valid_until)) : w().expired}
        </span>
      </span>
      <span class="free">
        <Show when={props.isOwn && isValid()}>
          <button type="button" class="round" aria-label={w().oneLess} disabled={isUnderWay() || props.bed.free === 0} onClick={() => change(-1)}>
            −
          </button>
        </Show>
        <span class="tick" classList={{ none: props.bed.free === 0 }}>
          {w().freeOf(props.bed.free, props.bed.places)}
        </span>
        <Show when={props.isOwn && isValid()}>
          <button type="button" class="round" aria-label={w().oneMore} disabled={isUnderWay()} onClick={() => change(1)}>
            +
          </button>
        </Show>
      </span>
      <Show when={props.isOwn}>
        <span class="acts">
          <Show when={isUnderWay()}>
            <span class="tag warm">{sw().sending}</span>
          </Show>
          <button type="button" class="plain" onClick={() => props.onRenew()}>
            {w().renew}
          </button>
          <button type="button" class="plain" onClick={() => props.onWithdraw()}>
            {w().withdraw}
          </button>
        </span>
      </Show>
    </li>
  )
}

const asPublished = ({ bed_id, hospital, kinds, place, note, valid_until }: BedSaid): NewBeds => ({ bed_id, hospital, kinds, place, note, valid_until })

function Publish(props: { desk: Desk; bed: BedSaid | undefined; onClose: () => void }): JSX.Element {
  const { desk } = props
  const isProvider = () => desk.board().role === 'provider'
  function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): void {
    event.preventDefault()
    const said = read(event.currentTarget)
    const known = props.bed ? { bed_id: props.bed.bed_id, version: props.bed.version } : {}
    publish(desk, {
      ...known,
      ...(!isProvider() && { hospital: said['hospital'] ?? '' }),
      kinds: pickedKinds(event.currentTarget),
      free: Number(said['free']),
      place: placeOf(said),
      note: said['note'] ?? '',
      valid_until: Math.round(desk.now()) + Number(said['hours']) * HOUR_MS,
    })
    props.onClose()
  }
  return (
    <Dialog kind="page" title={props.bed ? w().renew : w().publish} onClose={props.onClose}>
      <form class="form" onSubmit={send}>
        <Field label={w().hospital}>
          <input name="hospital" maxlength="200" required disabled={isProvider()} value={props.bed?.hospital ?? (isProvider() ? desk.board().hospital : '')} />
        </Field>
        <Kinds label={w().bedKinds} picked={props.bed?.kinds ?? []} />
        <div class="pair">
          <Field label={w().free}>
            <input name="free" type="number" min="0" max="200" required value={props.bed?.free ?? 1} />
          </Field>
          <Field label={w().valid}>
            <select name="hours">
              <For each={HOURS}>
                {(hours) => (
                  <option value={hours} selected={hours === 12}>
                    {w().hours(hours)}
                  </option>
                )}
              </For>
            </select>
          </Field>
        </div>
        <PlaceFields place={props.bed?.place ?? {}} />
        <Field label={`${w().note} (${sw().optional})`}>
          <input name="note" maxlength="200" value={props.bed?.note ?? ''} />
        </Field>
        <button class="strong wide">{w().publishIt}</button>
      </form>
    </Dialog>
  )
}
