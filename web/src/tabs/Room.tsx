import { createEffect, createMemo, createSignal, ErrorBoundary, lazy, Match, onCleanup, Show, Suspense, Switch, type JSX } from 'solid-js'
import type { Link } from '../data/links'
import { memberName, partner, roomAvatar, roomName, whyShut } from '../data/rooms'
import type { Message, Row } from '../data/timeline'
import { Avatar } from '../ui/Avatar'
import { useClient } from '../ui/client'
import { Dialog } from '../ui/Dialog'
import { orSay } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { live } from '../ui/live'
import { useRoom, type OpenRoom } from '../ui/openRoom'
import { lineOf, notice } from '../ui/phrases'
import { closeRoom } from '../ui/route'
import { say, speak } from '../ui/say'
import { day, t } from '../ui/settings'
import { VirtualList, type ListControl } from '../ui/VirtualList'
import { Composer, type About } from './Composer'
import { MessageMenu } from './MessageMenu'
import { MessageRow } from './MessageRow'
import { RoomInfo } from './RoomInfo'
import { Search } from './Search'
import { Viewer } from './Viewer'

const READ_AFTER_MS = 400
const RoomNotice = lazy(() => import('./crypto/RoomNotice').then(({ RoomNotice }) => ({ default: RoomNotice })))

export function Room(props: { id: string }): JSX.Element {
  const client = useClient()
  const open = useRoom(client, props.id)
  const [isAtBottom, setAtBottom] = createSignal(true)
  const [panel, setPanel] = createSignal<'info' | 'search'>()
  const [about, setAbout] = createSignal<About>()
  const [menu, setMenu] = createSignal<Message>()
  const [photo, setPhoto] = createSignal<Message>()
  const [danger, setDanger] = createSignal<Link>()
  const [isDropping, setDropping] = createSignal(false)
  const [seen, setSeen] = createSignal(0)
  const isOpen = createMemo(() => whyShut(open.room()) === undefined)
  let list: ListControl | undefined

  const sendFiles = (files: File[]) => {
    list?.toBottom()
    orSay(client.sendFiles(props.id, files))
  }
  const jump = async (event: string) => {
    setPanel(undefined)
    const key = await open.reach(event)
    if (key) list?.toKey(key)
    else say(t().replyGone)
  }
  const below = createMemo(() => (isAtBottom() ? 0 : Math.max(0, open.keys().length - seen())))
  createEffect(() => isAtBottom() && setSeen(open.keys().length))
  readWhileSeen(client, props.id, open, isAtBottom)
  announce(open, client.me)

  return (
    <div
      class="stage"
      {...dropping(isOpen, setDropping, sendFiles)}
    >
      <Head id={props.id} open={open} onInfo={() => setPanel('info')} onSearch={() => setPanel('search')} />
      <div class="talk">
        <Show when={open.isReady()}>
          <VirtualList
            label={t().messages}
            keys={open.keys()}
            holds={(key) => ['message', 'event'].includes(open.row(key)?.kind ?? '')}
            onNearTop={open.older}
            onBottom={setAtBottom}
            control={(control) => {
              list = control
              control.toKey('unread')
            }}
            row={(key) => (
              <ErrorBoundary fallback={<p class="event">{t().unshowable}</p>}>
                <RowView row={open.row(key)} open={open} onMenu={setMenu} onPhoto={setPhoto} onDanger={setDanger} onJump={(event) => void jump(event)} />
              </ErrorBoundary>
            )}
          />
        </Show>
        <Show when={!isAtBottom()}>
          <button type="button" class="to-newest" aria-label={below() > 0 ? t().newBelow(below()) : t().toNewest} onClick={() => list?.toBottom()}>
            <Icon name="down" />
            <Show when={below() > 0}>{below()}</Show>
          </button>
        </Show>
        <Show when={isDropping() && isOpen()}>
          <p class="drop">{t().dropHere}</p>
        </Show>
      </div>
      <Typing id={props.id} open={open} />
      <Show when={open.room()?.encrypted && open.room()?.membership === 'join'}>
        <Show when={isOpen()} fallback={<p class="locked">{t().encryptedRoom}</p>}>
          <Suspense>
            <RoomNotice room={open.room()!} />
          </Suspense>
        </Show>
      </Show>
      <Show when={isOpen()}>
        <Composer id={props.id} room={open.room()} about={about()} onAbout={setAbout} onFiles={sendFiles} onSent={() => list?.toBottom()} />
      </Show>
      <Show when={menu()}>{(message) => <MessageMenu room={props.id} known={open.room()} message={message()} onAbout={setAbout} onClose={() => setMenu(undefined)} />}</Show>
      <Show when={photo()}>{(message) => <Viewer message={message()} open={open} onClose={() => setPhoto(undefined)} />}</Show>
      <Show when={danger()}>{(link) => <Danger link={link()} onClose={() => setDanger(undefined)} />}</Show>
      <Show when={panel() === 'info' && open.room()}>{(room) => <RoomInfo room={room()} onClose={() => setPanel(undefined)} onJump={(event) => void jump(event)} />}</Show>
      <Show when={panel() === 'search' && open.room()}>{(room) => <Search room={room()} onClose={() => setPanel(undefined)} onJump={(event) => void jump(event)} />}</Show>
    </div>
  )
}

/** Files that are dragged over a room. Words that are dragged go where they are dropped. */
function dropping(isOpen: () => boolean, show: (is: boolean) => void, send: (files: File[]) => void) {
  const hasFiles = (event: DragEvent) => isOpen() && event.dataTransfer?.types.includes('Files') === true
  return {
    onDragOver: (event: DragEvent) => hasFiles(event) && (event.preventDefault(), show(true)),
    onDragLeave: (event: DragEvent) => (event.currentTarget as Element).contains(event.relatedTarget as Node | null) || show(false),
    onDrop: (event: DragEvent) => {
      show(false)
      if (!hasFiles(event)) return
      event.preventDefault()
      send([...(event.dataTransfer?.files ?? [])])
    },
  }
}

/** What is on the screen, in a window that somebody looks at, is read. */
function readWhileSeen(client: ReturnType<typeof useClient>, id: string, open: OpenRoom, isAtBottom: () => boolean): void {
  const [isSeen, setSeen] = createSignal(document.visibilityState === 'visible')
  const look = () => setSeen(document.visibilityState === 'visible')
  document.addEventListener('visibilitychange', look)
  onCleanup(() => document.removeEventListener('visibilitychange', look))
  createEffect(() => {
    open.keys()
    const newest = open.newest()
    if (!newest || !isSeen() || !isAtBottom() || !open.isReady() || open.room()?.membership !== 'join') return
    const timer = setTimeout(() => void client.markRead(id, newest), READ_AFTER_MS)
    onCleanup(() => clearTimeout(timer))
  })
}

/** A reader hears what others say while the room is open. */
function announce(open: OpenRoom, me: string): void {
  let last: string | undefined
  createEffect(() => {
    const key = open.keys().at(-1)
    const row = key === undefined ? undefined : open.row(key)
    const room = open.room()
    if (!open.isReady() || row?.kind !== 'message' || !room) return
    const { message } = row
    if (last !== undefined && last !== message.key && message.sender !== me) {
      speak(`${memberName(room, message.sender)}: ${lineOf(message)}`)
    }
    last = message.key
  })
}

function Head(props: { id: string; open: OpenRoom; onInfo: () => void; onSearch: () => void }): JSX.Element {
  const client = useClient()
  const room = () => props.open.room()
  const name = () => (room() && roomName(room()!, client.me, client.account)) || t().emptyRoom
  const other = () => room() && partner(room()!, client.account)
  return (
    <header class="bar">
      <button type="button" class="round leave-room" aria-label={t().back} onClick={closeRoom}>
        <Icon name="back" />
      </button>
      <h1>
        <button type="button" class="who" onClick={() => props.onInfo()}>
          <Avatar media={client.media} id={other() ?? props.id} name={name()} uri={room() && roomAvatar(room()!, client.account)} group={!other()} />
          <span class="title">
            <Show when={room()?.encrypted}>
              <span class="secret">
                <Icon name="lock" />
                <span class="unseen">{t().secretChat}</span>
              </span>
            </Show>
            {name()}
            <Show when={(room()?.joined ?? 0) > 2}>
              <span class="small">{t().members(room()!.joined)}</span>
            </Show>
          </span>
        </button>
      </h1>
      <button type="button" class="round" aria-label={t().searchRoom} onClick={() => props.onSearch()}>
        <Icon name="search" />
      </button>
      <button type="button" class="round" aria-label={t().roomInfo} onClick={() => props.onInfo()}>
        <Icon name="info" />
      </button>
    </header>
  )
}

interface RowProps {
  row: Row | undefined
  open: OpenRoom
  onMenu: (message: Message) => void
  onPhoto: (message: Message) => void
  onDanger: (link: Link) => void
  onJump: (event: string) => void
}

type Kind<K extends Row['kind']> = Extract<Row, { kind: K }>

function RowView(props: RowProps): JSX.Element {
  const as = <K extends Row['kind']>(kind: K) => (props.row?.kind === kind ? (props.row as Kind<K>) : undefined)
  return (
    <Switch>
      <Match when={as('message')}>
        {(row) => (
          <MessageRow
            message={row().message}
            first={row().first}
            last={row().last}
            room={props.open.room()!}
            quoted={row().message.replyTo ? props.open.message(row().message.replyTo!) : undefined}
            onMenu={props.onMenu}
            onPhoto={props.onPhoto}
            onDanger={props.onDanger}
            onJump={props.onJump}
          />
        )}
      </Match>
      <Match when={as('event')}>{(row) => <p class="event">{notice(props.open.room()!, row().entry)}</p>}</Match>
      <Match when={as('date')}>
        {(row) => (
          <p class="divider">
            <span>{day(row().ts)}</span>
          </p>
        )}
      </Match>
      <Match when={as('unread')}>
        <p class="divider unread">
          <span>{t().firstUnread}</span>
        </p>
      </Match>
      <Match when={as('hole')}>
        <p class="divider">
          <span>{t().hole}</span>
        </p>
      </Match>
      <Match when={as('start')}>
        <p class="event">{t().roomStart}</p>
      </Match>
    </Switch>
  )
}

function Typing(props: { id: string; open: OpenRoom }): JSX.Element {
  const client = useClient()
  const users = live(client, `typing ${props.id}`, () => client.typing(props.id))
  const names = () => users().map((user) => memberName(props.open.room(), user))
  return <p class="typing">{names().length > 0 ? t().typing(names()) : ''}</p>
}

function Danger(props: { link: Link; onClose: () => void }): JSX.Element {
  return (
    <Dialog kind="small" title={t().openLink} onClose={props.onClose}>
      <div class="padded">
        <p class="wrong">{props.link.danger === 'installer' ? t().installer : t().lookalike}</p>
        <p class="hint">{t().linkLeads}</p>
        <p>
          <strong>{props.link.host}</strong>
        </p>
        <p class="choices">
          <a class="plain" href={props.link.href} target="_blank" rel="noreferrer noopener" onClick={() => props.onClose()}>
            {t().openAnyway}
          </a>
          <button type="button" class="strong" onClick={() => props.onClose()} autofocus>
            {t().cancel}
          </button>
        </p>
      </div>
    </Dialog>
  )
}

