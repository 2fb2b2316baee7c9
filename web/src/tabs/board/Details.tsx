import { createEffect, createMemo, createResource, createSignal, For, on, Show, type JSX } from 'solid-js'
import { actsOf, numberOf, type Act, type Request } from '../../data/board'
import { isOpen } from '../../data/intents'
import { ask, askAll } from '../../data/service'
import { Confirm } from '../../ui/Dialog'
import { explain } from '../../ui/errors'
import { dayAndClock, t } from '../../ui/settings'
import { Field, Pending } from '../services/Parts'
import { sw } from '../services/words'
import { actOn, assign, intentName, nameOf, requestOfIntent, type Desk } from './desk'
import { Deadline, SeverityTag, Tier } from './Requests'
import { kindList, w } from './words'

interface Props {
  desk: Desk
  id: string
  find: (id: string) => Request | undefined
  /** grows when beds may have changed */
  told: number
}

/** All of one request, and what may be done with it now. */
export function Details(props: Props): JSX.Element {
  const { desk } = props
  const request = createMemo<Request>((before) => props.find(props.id) ?? before!, props.find(props.id)!)
  const acts = createMemo(() => actsOf(request(), desk.board(), desk.me))
  const intents = createMemo(() => desk.intents().filter((intent) => requestOfIntent(intent) === props.id))
  const isUnderWay = () => intents().some(isOpen)
  const [asked, setAsked] = createSignal<'decline' | 'transfer'>()
  const [isClosing, setClosing] = createSignal(false)
  const run = (act: Act) => {
    if (act === 'decline' || act === 'transfer') setAsked(act)
    else if (act === 'close') setClosing(true)
    else if (act === 'accept' || act === 'arrive') actOn(desk, request(), act)
  }
  createEffect(on(() => request().state, () => setAsked(undefined), { defer: true }))
  return (
    <div class="details padded">
      <Facts desk={desk} request={request()} />
      <Pending intents={intents()} nameOf={intentName} />
      <div class="choices">
        <For each={acts().filter((act) => act !== 'assign')}>
          {(act) => (
            <button type="button" class={act === 'accept' || act === 'arrive' ? 'strong' : 'plain'} disabled={isUnderWay()} onClick={() => run(act)}>
              {w().acts[act]}
            </button>
          )}
        </For>
      </div>
      <Show when={asked()} keyed>
        {(act) => (
          <Reason
            act={act}
            onDone={(reason) => {
              actOn(desk, request(), act, reason)
              setAsked(undefined)
            }}
          />
        )}
      </Show>
      <Show when={acts().includes('assign')}>
        <Suggestions desk={desk} request={request()} told={props.told} isUnderWay={isUnderWay()} />
      </Show>
      <Show when={isClosing()}>
        <Confirm
          title={`${w().acts['close']} ${numberOf(request())}`}
          text={w().closeConfirm}
          action={w().acts['close']!}
          onClose={() => setClosing(false)}
          onYes={() => {
            actOn(desk, request(), 'close')
            setClosing(false)
          }}
        />
      </Show>
    </div>
  )
}

function Facts(props: { desk: Desk; request: Request }): JSX.Element {
  const { desk } = props
  const request = () => props.request
  return (
    <dl class="facts">
      <dt>{w().severity}</dt>
      <dd>
        <SeverityTag request={request()} />
      </dd>
      <dt>{w().state}</dt>
      <dd>
        {w().states[request().state]}
        <Show when={request().hospital}> · {request().hospital}</Show>
      </dd>
      <dt>{w().needs}</dt>
      <dd>{kindList(request().needs)}</dd>
      <dt>{w().patient}</dt>
      <dd>{request().patient || w().hidden}</dd>
      <Show when={request().place.area}>
        <dt>{sw().area}</dt>
        <dd>{request().place.area}</dd>
      </Show>
      <Show when={request().note}>
        <dt>{w().note}</dt>
        <dd>{request().note}</dd>
      </Show>
      <dt>{w().owner}</dt>
      <dd>{nameOf(desk, request().owner)}</dd>
      <dt>{w().deadline}</dt>
      <dd class="tick">
        <Deadline request={request()} desk={desk} />
      </dd>
      <Show when={request().due !== null}>
        <dt>{w().tier}</dt>
        <dd>
          <Tier request={request()} desk={desk} />
        </dd>
      </Show>
      <dt>{w().requestedBy}</dt>
      <dd>
        {nameOf(desk, request().requested_by)} · {dayAndClock(request().created)}
      </dd>
    </dl>
  )
}

function Reason(props: { act: 'decline' | 'transfer'; onDone: (reason: string) => void }): JSX.Element {
  let input!: HTMLInputElement
  return (
    <form
      class="reason"
      onSubmit={(event) => {
        event.preventDefault()
        props.onDone(input.value.trim())
      }}
    >
      <Field label={sw().reason} hint={props.act === 'transfer' ? w().transferHint : w().noteHint}>
        <input ref={input} required maxlength="200" list="reasons" autofocus />
      </Field>
      <datalist id="reasons">
        <For each={w().reasons}>{(reason) => <option value={reason} />}</For>
      </datalist>
      <button class="strong">{w().acts[props.act]}</button>
    </form>
  )
}

interface Choice {
  bed_id: string
  hospital: string
  line: string
}

/** Beds that fit, the nearest first; or all that are free. */
function Suggestions(props: { desk: Desk; request: Request; told: number; isUnderWay: boolean }): JSX.Element {
  const { matrix } = props.desk.client
  const [isAll, setAll] = createSignal(false)
  const of = () => ({ room_id: props.desk.room, request_id: props.request.request_id })
  const near = async (): Promise<Choice[]> => {
    const { suggestions } = await ask(matrix, 'GET /_bongsu/v1/boards/{room_id}/requests/{request_id}/suggestions', of())
    return suggestions.map((one) => {
      const far = one.distance_km === null ? (one.same_area ? w().sameArea : w().noDistance) : w().distance(one.distance_km)
      return { ...one, line: `${far} · ${w().spare(one.spare)}` }
    })
  }
  const all = async (): Promise<Choice[]> => {
    const { rows } = await askAll(matrix, 'GET /_bongsu/v1/boards/{room_id}/beds', 'beds', { room_id: props.desk.room }, { limit: '500' })
    const free = rows.filter((bed) => bed.free > 0 && bed.is_valid)
    return free.map((bed) => ({ ...bed, line: [kindList(bed.kinds), bed.place.area, w().freeOf(bed.free, bed.places)].filter(Boolean).join(' · ') }))
  }
  const [found] = createResource(
    () => [props.told, isAll(), props.request.request_id] as const,
    () => (isAll() ? all() : near()),
  )
  return (
    <section class="suggestions" aria-busy={found.loading}>
      <h3>{w().suggestions}</h3>
      <Show when={found.error}>
        <p class="wrong">{explain(found.error)}</p>
      </Show>
      <ul>
        <For each={found.error ? [] : (found.latest ?? [])} fallback={<li class="quiet">{found.loading ? t().loading : w().noSuggestions}</li>}>
          {(choice) => (
            <li class="suggestion">
              <span>
                <strong>{choice.hospital}</strong>
                <span class="quiet small">{choice.line}</span>
              </span>
              <button type="button" class="strong" disabled={props.isUnderWay} aria-label={`${w().acts['assign']}: ${choice.hospital}`} onClick={() => assign(props.desk, props.request, choice.bed_id)}>
                {w().acts['assign']}
              </button>
            </li>
          )}
        </For>
      </ul>
      <label class="check">
        <input type="checkbox" checked={isAll()} onChange={(event) => setAll(event.currentTarget.checked)} />
        {w().allBeds}
      </label>
    </section>
  )
}
