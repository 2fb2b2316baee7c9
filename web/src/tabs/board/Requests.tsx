import { createEffect, createMemo, createSignal, For, on, Show, type JSX } from 'solid-js'
import { actsOf, clockOf, listed, numberOf, urgencyOf, waitedOf, type Request, type Show as Shown, type Sort } from '../../data/board'
import { isOpen } from '../../data/intents'
import { Dialog } from '../../ui/Dialog'
import { openPage } from '../../ui/route'
import { screen } from '../../ui/screen'
import { clock, shortTime, t } from '../../ui/settings'
import { sw } from '../services/words'
import { Ask } from './Ask'
import type { Line } from './Board'
import { actOn, may, nameOf, requestOfIntent, type Desk } from './desk'
import { Details } from './Details'
import { kindList, w } from './words'

const STEP = 300 // so many rows are drawn at first
const SHOWS: readonly Shown[] = ['open', 'waiting', 'offered', 'accepted', 'arrived', 'late', 'mine']
const SORTS: readonly Sort[] = ['waited', 'deadline', 'severity']
const AT_ONCE = ['accept', 'arrive'] as const

interface Props {
  desk: Desk
  line: Line | undefined
  /** the id of the request that is open */
  open: string | undefined
  bedsTold: number
}

/** Who waits longest comes first: a table where there is room for one, else cards. */
export function Requests(props: Props): JSX.Element {
  const { desk } = props
  const isWide = screen('(min-width: 64rem)')
  const isDesk = screen('(min-width: 75rem)')
  const [show, setShow] = createSignal<Shown>('open')
  const [sort, setSort] = createSignal<Sort>('waited')
  const [words, setWords] = createSignal('')
  const [limit, setLimit] = createSignal(STEP)
  const [isAsking, setAsking] = createSignal(false)
  const minute = createMemo(() => Math.floor(desk.now() / 10_000)) // who is late now is looked for now and then
  const all = createMemo(() => listed(props.line?.requests ?? [], { show: show(), words: words(), sort: sort(), me: desk.me, now: (minute() + 1) * 10_000 }))
  const byId = createMemo(() => new Map((props.line?.requests ?? []).map((request) => [request.request_id, request])))
  const ids = createMemo(() => all().slice(0, limit()).map((request) => request.request_id))
  const opened = createMemo(() => (props.open ? byId().get(props.open) : undefined))
  const count = (one: Shown) => listed(props.line?.requests ?? [], { show: one, words: '', sort: 'waited', me: desk.me, now: (minute() + 1) * 10_000 }).length
  const pick = (id: string | undefined) => (id ? openPage('board', desk.room, 'requests', id) : openPage('board', desk.room, 'requests'))
  let finder!: HTMLInputElement
  const keys = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target as Element).closest('input, textarea, select, dialog')) return
    if (event.key === '/') finder.focus()
    else if (event.key === 'n' && may(desk, 'request')) setAsking(true)
    else return
    event.preventDefault()
  }
  const rows = () => ({ ids: ids(), find: (id: string) => byId().get(id), desk, open: props.open, onOpen: pick, sort: sort(), onSort: setSort })
  return (
    <div class="desk" classList={{ split: isDesk() && opened() !== undefined }} onKeyDown={keys}>
      <div class="queue">
        <div class="finders board-finders">
          <select aria-label={w().show} value={show()} onChange={(event) => setShow(event.currentTarget.value as Shown)}>
            <For each={SHOWS}>{(one) => <option value={one}>{`${w().shows[one]} (${count(one)})`}</option>}</For>
          </select>
          <Show when={!isWide()}>
            <select aria-label={w().sortBy} value={sort()} onChange={(event) => setSort(event.currentTarget.value as Sort)}>
              <For each={SORTS}>{(one) => <option value={one}>{w().sorts[one]}</option>}</For>
            </select>
          </Show>
          <input ref={finder} type="search" placeholder={w().find} aria-label={w().find} onInput={(event) => setWords(event.currentTarget.value)} />
          <Show when={may(desk, 'request')}>
            <button type="button" class="strong" onClick={() => setAsking(true)}>
              {w().ask}
            </button>
          </Show>
        </div>
        <Show when={ids().length > 0} fallback={<p class="empty">{props.line ? w().emptyList : t().loading}</p>}>
          <Show when={isWide()} fallback={<Cards {...rows()} />}>
            <Table {...rows()} />
          </Show>
        </Show>
        <Show when={all().length > limit()}>
          <p class="choices more-rows">
            <button type="button" class="plain" onClick={() => setLimit(limit() + STEP)}>
              {sw().more(all().length - limit())}
            </button>
          </p>
        </Show>
      </div>
      <Show when={props.open && opened() ? props.open : undefined} keyed>
        {(id) => (
          <Show when={isDesk()} fallback={<Over desk={desk} id={id} find={(one) => byId().get(one)} told={props.bedsTold} onClose={() => pick(undefined)} />}>
            <Beside desk={desk} id={id} find={(one) => byId().get(one)} told={props.bedsTold} onClose={() => pick(undefined)} />
          </Show>
        )}
      </Show>
      <Show when={isAsking()}>
        <Ask desk={desk} onClose={() => setAsking(false)} />
      </Show>
    </div>
  )
}

interface One {
  desk: Desk
  id: string
  find: (id: string) => Request | undefined
  told: number
  onClose: () => void
}

const titleOf = (props: One): string => {
  const request = props.find(props.id)
  return request ? w().details(numberOf(request)) : w().requests
}

function Over(props: One): JSX.Element {
  return (
    <Dialog kind="page" title={titleOf(props)} onClose={props.onClose}>
      <div class="scroll">
        <Details {...props} />
      </div>
    </Dialog>
  )
}

function Beside(props: One): JSX.Element {
  let heading!: HTMLHeadingElement
  createEffect(() => heading.focus())
  return (
    <aside class="beside" aria-labelledby="beside" onKeyDown={(event) => event.key === 'Escape' && props.onClose()}>
      <header class="bar">
        <h2 id="beside" ref={heading} tabindex="-1">
          {titleOf(props)}
        </h2>
        <button type="button" class="plain" onClick={() => props.onClose()}>
          {t().close}
        </button>
      </header>
      <Details {...props} />
    </aside>
  )
}

interface Rows {
  ids: string[]
  find: (id: string) => Request | undefined
  desk: Desk
  open: string | undefined
  onOpen: (id: string) => void
  sort: Sort
  onSort: (sort: Sort) => void
}

const COLUMNS: readonly { name: 'number' | 'severity' | 'waited' | 'needs' | 'area' | 'state' | 'owner' | 'deadline' | 'tier'; sort?: Sort }[] = [
  { name: 'number' },
  { name: 'severity', sort: 'severity' },
  { name: 'waited', sort: 'waited' },
  { name: 'needs' },
  { name: 'area' },
  { name: 'state' },
  { name: 'owner' },
  { name: 'deadline', sort: 'deadline' },
  { name: 'tier' },
]

/** One row is in the order of Tab; arrows go from row to row. */
function Table(props: Rows): JSX.Element {
  const [at, setAt] = createSignal<string>()
  const current = () => (at() !== undefined && props.ids.includes(at()!) ? at() : (props.open && props.ids.includes(props.open) ? props.open : props.ids[0]))
  let body!: HTMLTableSectionElement
  const move = (event: KeyboardEvent) => {
    const place = props.ids.indexOf(current() ?? '')
    const next = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: props.ids.length - 1 }[event.key]
    const id = next === undefined ? undefined : props.ids[Math.max(0, Math.min(props.ids.length - 1, next))]
    if (event.key === 'Enter' && (event.target as Element).tagName === 'TR') props.onOpen(current()!)
    else if (id !== undefined) {
      setAt(id)
      body.querySelector<HTMLElement>(`[data-id="${id}"]`)?.focus()
    } else return
    event.preventDefault()
  }
  createEffect(on(() => props.open, (now, before) => before && !now && body.querySelector<HTMLElement>(`[data-id="${before}"]`)?.focus()))
  const titleOf = (name: (typeof COLUMNS)[number]['name']) => (name === 'area' ? sw().area : w()[name])
  return (
    <div class="table-box">
      <p class="unseen" id="board-keys">
        {w().keys}
      </p>
      <table class="line-table" aria-describedby="board-keys">
        <thead>
          <tr>
            <For each={COLUMNS}>
              {(column) => (
                <th scope="col" aria-sort={column.sort && column.sort === props.sort ? 'ascending' : undefined}>
                  <Show when={column.sort} fallback={titleOf(column.name)}>
                    {(sort) => (
                      <button type="button" title={w().sorts[sort()]} onClick={() => props.onSort(sort())}>
                        {titleOf(column.name)}
                      </button>
                    )}
                  </Show>
                </th>
              )}
            </For>
            <th scope="col">
              <span class="unseen">{t().actions}</span>
            </th>
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={move}>
          <For each={props.ids}>
            {(id) => <Row id={id} find={props.find} desk={props.desk} isOpen={props.open === id} isCurrent={current() === id} onFocus={() => setAt(id)} onOpen={() => props.onOpen(id)} />}
          </For>
        </tbody>
      </table>
    </div>
  )
}

/** The request of an id; the last one that was known while its row goes away. */
const heldOf = (props: { id: string; find: (id: string) => Request | undefined }) => createMemo<Request>((before) => props.find(props.id) ?? before!, props.find(props.id)!)

function Row(props: { id: string; find: (id: string) => Request | undefined; desk: Desk; isOpen: boolean; isCurrent: boolean; onFocus: () => void; onOpen: () => void }): JSX.Element {
  const request = heldOf(props)
  const { desk } = props
  const tab = () => (props.isCurrent ? 0 : -1)
  return (
    <tr data-id={props.id} class={urgencyOf(request(), desk.now())} tabindex={tab()} aria-current={props.isOpen ? 'true' : undefined} onFocus={props.onFocus} onDblClick={props.onOpen}>
      <th scope="row">
        <button type="button" tabindex={tab()} onClick={props.onOpen}>
          {numberOf(request())}
        </button>
      </th>
      <td>
        <SeverityTag request={request()} />
      </td>
      <td class="tick">
        <Waited request={request()} desk={desk} />
      </td>
      <td>{kindList(request().needs)}</td>
      <td>{request().place.area}</td>
      <td>
        {w().states[request().state]}
        <Show when={request().hospital}>{(hospital) => <span class="quiet"> · {hospital()}</span>}</Show>
        <Waiting desk={desk} id={props.id} />
      </td>
      <td>{nameOf(desk, request().owner)}</td>
      <td class="tick">
        <Deadline request={request()} desk={desk} />
      </td>
      <td>
        <Tier request={request()} desk={desk} />
      </td>
      <td class="acts">
        <FirstActs request={request()} desk={desk} tab={tab()} onOpen={props.onOpen} />
      </td>
    </tr>
  )
}

function Cards(props: Rows): JSX.Element {
  return (
    <ul class="cards">
      <For each={props.ids}>{(id) => <CardOf id={id} find={props.find} desk={props.desk} onOpen={() => props.onOpen(id)} />}</For>
    </ul>
  )
}

function CardOf(props: { id: string; find: (id: string) => Request | undefined; desk: Desk; onOpen: () => void }): JSX.Element {
  const request = heldOf(props)
  const { desk } = props
  return (
    <li class="block wish" classList={{ [urgencyOf(request(), desk.now())]: true }} data-id={props.id}>
      <button type="button" class="top" onClick={() => props.onOpen()}>
        <span>
          <strong>{numberOf(request())}</strong> <SeverityTag request={request()} />
        </span>
        <span class="tick big">
          <Waited request={request()} desk={desk} />
        </span>
      </button>
      <p>
        {kindList(request().needs)}
        <Show when={request().place.area}> · {request().place.area}</Show>
      </p>
      <p class="quiet small">
        {w().states[request().state]}
        <Show when={request().hospital}> · {request().hospital}</Show> · {w().owner} {nameOf(desk, request().owner)}
        <Waiting desk={desk} id={props.id} />
      </p>
      <p class="quiet small tick">
        <Deadline request={request()} desk={desk} /> <Tier request={request()} desk={desk} />
      </p>
      <div class="acts">
        <FirstActs request={request()} desk={desk} tab={0} onOpen={props.onOpen} />
      </div>
    </li>
  )
}

// --- parts of a request ---

interface Part {
  request: Request
  desk: Desk
}

export function SeverityTag(props: { request: Request }): JSX.Element {
  return (
    <span class="tag" classList={{ hot: props.request.severity === 'critical', warm: props.request.severity === 'urgent' }}>
      {w().severities[props.request.severity]}
    </span>
  )
}

function Waited(props: Part): JSX.Element {
  const waited = () => waitedOf(props.request, props.desk.now())
  return <>{waited() === null ? '–' : clockOf(waited()!)}</>
}

export function Deadline(props: Part): JSX.Element {
  const left = () => props.request.deadline - props.desk.now()
  const text = () => {
    if (waitedOf(props.request, props.desk.now()) === null) return shortTime(props.request.deadline)
    return left() > 0 ? w().left(clockOf(left())) : w().over(clockOf(-left()))
  }
  return (
    <span title={clock(props.request.deadline)} classList={{ overdue: urgencyOf(props.request, props.desk.now()) === 'late' }}>
      {text()}
    </span>
  )
}

/** How far its silence was told, and when it goes further. */
export function Tier(props: Part): JSX.Element {
  const next = () => (props.request.due === null ? undefined : props.request.due - props.desk.now())
  return (
    <Show when={next() !== undefined}>
      <span class="tag" classList={{ warm: props.request.tier === 'coordinators', hot: props.request.tier === 'on_call' || props.request.tier === 'contacts' }}>
        {w().tiers[props.request.tier]}
      </span>{' '}
      <span class="quiet small tick">{next()! > 0 ? w().next(clockOf(next()!)) : w().nextNow}</span>
    </Show>
  )
}

/** Something about it is on its way, and not done. */
function Waiting(props: { desk: Desk; id: string }): JSX.Element {
  const mine = () => props.desk.intents().find((intent) => requestOfIntent(intent) === props.id)
  return (
    <Show when={mine()}>
      {(intent) => (
        <>
          {' '}
          <span class="tag warm">{isOpen(intent()) ? sw().sending : sw().refused}</span>
        </>
      )}
    </Show>
  )
}

/** What can be done at once; all else is done where the request is open. */
function FirstActs(props: Part & { tab: number; onOpen: () => void }): JSX.Element {
  const acts = () => actsOf(props.request, props.desk.board(), props.desk.me)
  const isUnderWay = () => props.desk.intents().some((intent) => requestOfIntent(intent) === props.request.request_id && isOpen(intent))
  return (
    <>
      <Show when={acts().includes('assign')}>
        <button type="button" class="plain" tabindex={props.tab} disabled={isUnderWay()} onClick={() => props.onOpen()}>
          {w().acts['assign']}
        </button>
      </Show>
      <For each={AT_ONCE.filter((act) => acts().includes(act))}>
        {(act) => (
          <button type="button" class="plain" tabindex={props.tab} disabled={isUnderWay()} onClick={() => actOn(props.desk, props.request, act)}>
            {w().acts[act]}
          </button>
        )}
      </For>
    </>
  )
}
