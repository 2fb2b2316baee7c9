import { createMemo, createSignal, For, Match, onCleanup, onMount, Show, Switch, type JSX } from 'solid-js'
import { boardsListed, clockOf, merged, newsOf, numberOf, type Request } from '../../data/board'
import { codeOf } from '../../data/failures'
import { boardOf, roomName } from '../../data/rooms'
import { ask, askAll, isRefused } from '../../data/service'
import type { BoardSaid, WholeBoard } from '../../net/interface'
import type { Refused } from '../../net/errors'
import { useClient } from '../../ui/client'
import { explain } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import { openPage, openRoom } from '../../ui/route'
import { speak } from '../../ui/say'
import { t } from '../../ui/settings'
import type { PageProps } from '../pages'
import { Field, Fresh, Pending, Views } from '../services/Parts'
import { intentsOf, sight, ticking, watch, type Sight } from '../services/sight'
import { sw } from '../services/words'
import { Beds } from './Beds'
import { intentName, laneOf, makeBoard, may, type Desk } from './desk'
import { Figures } from './Figures'
import { People } from './People'
import { RecordView } from './Record'
import { Requests } from './Requests'
import { w } from './words'
import './board.css'

const MINUTE = 60_000
const NEWS_MS = 300
const NAMED_MAX = 100

/** The boards of one's rooms; with a room's id, its board. */
export function Board(props: PageProps): JSX.Element {
  return (
    <Show when={props.ids[0]} fallback={<Listed />} keyed>
      {(room) => <OfRoom room={room} view={props.ids[1]} request={props.ids[2]} />}
    </Show>
  )
}

function Listed(): JSX.Element {
  const client = useClient()
  const now = ticking()
  const boards = sight<{ boards: BoardSaid[]; now: number }>(client, {
    look: async () => {
      const { rows, last } = await askAll(client.matrix, 'GET /_bongsu/v1/boards', 'boards', {}, { limit: '500' })
      return { boards: boardsListed(rows), now: last.now }
    },
    pace: () => MINUTE,
    name: 'boards',
  })
  watch(client, (entries) => entries.some((entry) => entry.content['io.bongsu.board']) && boards.poke())
  const nameOf = (board: BoardSaid) => {
    const room = client.room(board.room_id)
    return board.title || (room && roomName(room, client.me, client.account)) || w().title
  }
  return (
    <div class="service">
      <div class="scroll">
        <div class="stack">
          <Fresh of={boards} />
          <ul class="boards">
            <For each={boards.value()?.boards ?? []} fallback={<li class="empty">{boards.value() ? <Nothing /> : t().loading}</li>}>
              {(board) => (
                <li>
                  <button type="button" class="entry" onClick={() => openPage('board', board.room_id)}>
                    <span class="what">
                      <span class="name">
                        <span>{nameOf(board)}</span>
                      </span>
                      <span class="line">{w().roles[board.role]}</span>
                    </span>
                    <span class="side">
                      <span class="tag" classList={{ hot: board.waiting > 0 }}>
                        {w().waitingHere(board.waiting)}
                      </span>
                      <Show when={board.since}>{(since) => <span class="small tick">{w().longest(clockOf(now() + boards.skew() - since()))}</span>}</Show>
                    </span>
                  </button>
                </li>
              )}
            </For>
          </ul>
        </div>
      </div>
    </div>
  )
}

const Nothing = (): JSX.Element => (
  <>
    <strong>{w().none}</strong>
    {w().noneHint}
  </>
)

function OfRoom(props: { room: string; view: string | undefined; request: string | undefined }): JSX.Element {
  const client = useClient()
  const board = sight<WholeBoard>(client, {
    look: () => ask(client.matrix, 'GET /_bongsu/v1/boards/{room_id}', { room_id: props.room }, { limit: '1' }),
    pace: () => 5 * MINUTE,
    name: `board ${props.room}`,
  })
  onMount(() => void client.chats.loadMembersOnce(props.room))
  const isOurs = () => !isRefused(board.error(), 403, 404)
  return (
    <Show when={isOurs() && board.value() !== undefined} fallback={<Without room={props.room} board={board} />}>
      <Whole room={props.room} view={props.view} request={props.request} board={board} />
    </Show>
  )
}

/** Why there is no board to be seen; who may, makes one. */
function Without(props: { room: string; board: Sight<WholeBoard> }): JSX.Element {
  const client = useClient()
  const room = client.room(props.room)
  const intents = intentsOf(client, () => `${laneOf(props.room)}create`, () => props.board.poke())
  const mayMake = () => room !== undefined && boardOf(room, client.me) === 'may'
  const movedTo = () => (codeOf(props.board.error()) === 'BONGSU_BOARD_MOVED' ? String((props.board.error() as Refused).fields['replacement_room']) : undefined)
  let title!: HTMLInputElement
  return (
    <div class="service">
      <div class="scroll">
        <div class="stack">
          <Pending intents={intents()} nameOf={intentName} />
          <Switch fallback={<Fresh of={props.board} />}>
            <Match when={movedTo()}>
              {(to) => (
                <p class="block">
                  {w().moved}{' '}
                  <button type="button" class="plain" onClick={() => openPage('board', to())}>
                    {w().openMoved}
                  </button>
                </p>
              )}
            </Match>
            <Match when={isRefused(props.board.error(), 403)}>
              <p class="empty">{w().notIn}</p>
            </Match>
            <Match when={isRefused(props.board.error(), 404) && mayMake()}>
              <form
                class="block"
                onSubmit={(event) => {
                  event.preventDefault()
                  makeBoard(client, props.room, title.value.trim())
                }}
              >
                <h2>{w().make}</h2>
                <p class="quiet">{w().makeHint}</p>
                <Field label={w().boardTitle}>
                  <input ref={title} maxlength="200" required value={room ? roomName(room, client.me, client.account) : ''} />
                </Field>
                <button class="strong">{w().make}</button>
              </form>
            </Match>
            <Match when={isRefused(props.board.error(), 404)}>
              <p class="empty">{w().noBoard}</p>
            </Match>
            <Match when={isRefused(props.board.error(), 400)}>
              <p class="empty">{explain(props.board.error())}</p>
            </Match>
          </Switch>
        </div>
      </div>
    </div>
  )
}

export interface Line {
  requests: Request[]
  isWhole: boolean
  now: number
}

/** Requests as they are: looked at as a whole now and then, and one by one when the room tells of them. */
function line(room: string, board: Sight<WholeBoard>): Sight<Line> {
  const client = useClient()
  const fresher = new Map<string, { at: number; request: Request | undefined }>()
  const of = { room_id: room }
  const look = async (): Promise<Line> => {
    const begun = Date.now()
    const { rows, last, isWhole } = await askAll(client.matrix, 'GET /_bongsu/v1/boards/{room_id}/requests', 'requests', of, { limit: '500' })
    const newer = [...fresher].filter(([, { at }]) => at > begun)
    fresher.clear()
    const requests = newer.reduce((all, [id, { request }]) => merged(all, [id], request ? [request] : []), rows)
    return { requests, isWhole, now: last.now }
  }
  const seen = sight<Line>(client, { look, pace: () => MINUTE / 2, name: `requests ${room}` })
  const waiting = new Set<string>()
  let timer: ReturnType<typeof setTimeout> | undefined
  const lookAtSome = async () => {
    const ids = [...waiting]
    waiting.clear()
    try {
      const { requests, now } = await ask(client.matrix, 'GET /_bongsu/v1/boards/{room_id}/requests', of, { ids: ids.join(',') })
      for (const id of ids) fresher.set(id, { at: Date.now(), request: requests.find((one) => one.request_id === id) })
      const before = seen.value()
      if (before) seen.set({ ...before, requests: merged(before.requests, ids, requests), now })
      tellNew(before?.requests ?? [], requests)
    } catch {
      seen.poke()
    }
  }
  watch(client, (entries) => {
    const news = newsOf(entries, room)
    if (news.people) board.poke()
    for (const id of news.ids) waiting.add(id)
    if (news.all || waiting.size > NAMED_MAX) seen.poke()
    else if (waiting.size > 0) {
      clearTimeout(timer)
      timer = setTimeout(() => void lookAtSome(), NEWS_MS)
    }
  })
  onCleanup(() => clearTimeout(timer))
  return seen
}

/** A reader hears of a request that was not there before. */
function tellNew(before: readonly Request[], fresh: readonly Request[]): void {
  const known = new Set(before.map((request) => request.request_id))
  for (const request of fresh) {
    if (request.state === 'waiting' && !known.has(request.request_id)) speak(w().newRequest(numberOf(request), w().severities[request.severity]))
  }
}

type View = 'requests' | 'beds' | 'people' | 'figures' | 'record'

function Whole(props: { room: string; view: string | undefined; request: string | undefined; board: Sight<WholeBoard> }): JSX.Element {
  const client = useClient()
  const requests = line(props.room, props.board)
  const tick = ticking()
  const [bedsTold, setBedsTold] = createSignal(0)
  const intents = intentsOf(client, () => laneOf(props.room), (done) => {
    requests.poke()
    if (done.what.includes('/roles/')) props.board.poke()
    setBedsTold((count) => count + 1)
  })
  watch(client, (entries) => newsOf(entries, props.room).beds && setBedsTold((count) => count + 1))
  const desk: Desk = {
    client,
    room: props.room,
    board: () => props.board.value()!,
    now: () => tick() + requests.skew(),
    me: client.me,
    intents,
  }
  const views = createMemo(() => [
    { name: 'requests' as const, text: w().requests, count: requests.value()?.requests.length ?? 0 },
    { name: 'beds' as const, text: w().beds },
    { name: 'people' as const, text: w().people },
    { name: 'figures' as const, text: w().figures },
    ...(may(desk, 'examine') ? [{ name: 'record' as const, text: w().record }] : []),
  ])
  const view = (): View => views().find((one) => one.name === props.view)?.name ?? 'requests'
  const other = createMemo(() => intents().filter((intent) => !/ request /.test(intent.lane) || intent.state === 'failed'))
  return (
    <div class="service board">
      <div class="board-head">
        <h2>{desk.board().title || w().title}</h2>
        <span class="tag">{w().roles[desk.board().role]}</span>
        <Fresh of={requests} />
        <button type="button" class="round" aria-label={w().toRoom} title={w().toRoom} onClick={() => openRoom(props.room)}>
          <Icon name="chats" />
        </button>
      </div>
      <Views label={sw().views} views={views()} now={view()} onPick={(name: View) => openPage('board', props.room, name)} />
      <Show when={other().length > 0}>
        <div class="board-pending">
          <Pending intents={other()} nameOf={intentName} />
        </div>
      </Show>
      <Switch>
        <Match when={view() === 'requests'}>
          <Requests desk={desk} line={requests.value()} open={props.request} bedsTold={bedsTold()} />
        </Match>
        <Match when={view() === 'beds'}>
          <Beds desk={desk} told={bedsTold()} />
        </Match>
        <Match when={view() === 'people'}>
          <People desk={desk} />
        </Match>
        <Match when={view() === 'figures'}>
          <Figures desk={desk} />
        </Match>
        <Match when={view() === 'record'}>
          <RecordView desk={desk} />
        </Match>
      </Switch>
    </div>
  )
}
