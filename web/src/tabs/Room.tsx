import { createEffect, createMemo, createSignal, ErrorBoundary, lazy, on, Show, Suspense, type JSX } from 'solid-js'
import type { Link } from '../data/links'
import { memberName, partner, roomAvatar, roomName, whyShut } from '../data/rooms'
import type { Message } from '../data/timeline'
import { Avatar } from '../ui/Avatar'
import { useClient } from '../ui/client'
import { explain } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { dropping } from '../ui/dropping'
import { live } from '../ui/live'
import { useRoom, type OpenRoom } from '../ui/openRoom'
import { lineOf } from '../ui/phrases'
import { readWhileSeen } from '../ui/reading'
import { closeRoom, closeThread, go, openThread, route } from '../ui/route'
import { say, speak } from '../ui/say'
import { t } from '../ui/settings'
import { VirtualList, type ListControl } from '../ui/VirtualList'
import { Composer, type About } from './Composer'
import { DangerousLink } from './DangerousLink'
import { MessageMenu } from './MessageMenu'
import { RowView } from './RowView'
import { Viewer } from './Viewer'

const RoomNotice = lazy(() => import('./crypto/RoomNotice').then(({ RoomNotice }) => ({ default: RoomNotice })))
const RoomInfo = lazy(() => import('./RoomInfo').then(({ RoomInfo }) => ({ default: RoomInfo })))
const Search = lazy(() => import('./talk/Search'))
const Thread = lazy(() => import('./talk/Thread'))
const PinnedBar = lazy(() => import('./talk/PinnedBar'))
const PollForm = lazy(() => import('./talk/PollForm'))
const DateJump = lazy(() => import('./talk/DateJump'))

const BESIDE = '(min-width: 75rem)' // a thread stands beside its room from there; talk.css has the same

type Panel = { kind: 'info' | 'search' | 'poll' } | { kind: 'date'; ts: number }

export function Room(props: { id: string }): JSX.Element {
  const client = useClient()
  const open = useRoom(client, props.id)
  const [isAtBottom, setAtBottom] = createSignal(true)
  const [panel, setPanel] = createSignal<Panel>()
  const [about, setAbout] = createSignal<About>()
  const [menu, setMenu] = createSignal<Message>()
  const [photo, setPhoto] = createSignal<Message>()
  const [danger, setDanger] = createSignal<Link>()
  const [isDropping, setDropping] = createSignal(false)
  const [files, setFiles] = createSignal<File[]>([])
  const [seen, setSeen] = createSignal(0)
  const [isUnreadFar, setUnreadFar] = createSignal(true)
  const isOpen = createMemo(() => whyShut(open.room()) === undefined)
  const thread = () => (route().room === props.id ? route().thread : undefined)
  const close = () => setPanel(undefined)
  let list: ListControl | undefined

  const toNewest = () => {
    open.toPresent()
    list?.toBottom()
  }
  const jump = async (event: string) => {
    close()
    try {
      const found = await open.reach(event)
      if (found.key) list?.toKey(found.key)
      if (found.thread) openThread(props.id, found.thread)
      else if (thread() && !matchMedia(BESIDE).matches) closeThread()
      if (!found.key && !found.thread) say(t().replyGone)
    } catch (error) {
      say(explain(error))
    }
  }
  const toUnread = async (event: string) => {
    setUnreadFar(false)
    await jump(event)
    list?.toKey('unread')
  }
  const below = createMemo(() => (isAtBottom() ? 0 : Math.max(0, open.keys().length - seen())))
  createEffect(() => isAtBottom() && setSeen(open.keys().length))
  createEffect(
    on([() => route(), open.isReady], ([now, isReady]) => {
      if (!isReady || now.room !== props.id || !now.event) return
      go({ tab: now.tab, room: props.id }) // it is done once, whatever is opened and closed afterwards
      void jump(now.event)
    }),
  )
  const isSeen = () => isAtBottom() && !open.isPast() && (thread() === undefined || matchMedia(BESIDE).matches)
  readWhileSeen(open, isSeen, (event) => void client.chats.markRead(props.id, event))
  announce(open, client.me)

  return (
    <div
      class="stage"
      classList={{ 'with-thread': thread() !== undefined }}
      {...dropping(isOpen, setDropping, setFiles)}
    >
      <Head id={props.id} open={open} onInfo={() => setPanel({ kind: 'info' })} onSearch={() => setPanel({ kind: 'search' })} />
      <Suspense>
        <Show when={(open.room()?.pinned ?? []).length > 0 && open.room()}>{(room) => <PinnedBar room={room()} message={open.message} onJump={(event) => void jump(event)} />}</Show>
      </Suspense>
      <div class="talk">
        <Show when={open.isReady()}>
          <VirtualList
            label={t().messages}
            keys={open.keys()}
            holds={(key) => ['message', 'event'].includes(open.row(key)?.kind ?? '')}
            onNearTop={open.older}
            onNearBottom={open.isPast() ? open.newer : undefined}
            onBottom={setAtBottom}
            control={(control) => {
              list = control
              control.toKey('unread')
            }}
            row={(key) => (
              <ErrorBoundary fallback={<p class="event">{t().unshowable}</p>}>
                <RowView
                  row={open.row(key)}
                  open={open}
                  onMenu={setMenu}
                  onPhoto={setPhoto}
                  onDanger={setDanger}
                  onJump={(event) => void jump(event)}
                  onThread={(root) => openThread(props.id, root)}
                  onDate={(ts) => setPanel({ kind: 'date', ts })}
                />
              </ErrorBoundary>
            )}
          />
        </Show>
        <Show when={isUnreadFar() && open.farUnread()}>
          {(event) => (
            <button type="button" class="to-unread" onClick={() => void toUnread(event())}>
              <Icon name="up" />
              {t().toFirstUnread}
            </button>
          )}
        </Show>
        <Show when={!isAtBottom() || open.isPast()}>
          <button type="button" class="to-newest" onClick={toNewest}>
            <Icon name="down" />
            <Show when={below() > 0 && !open.isPast()} fallback={<span class="unseen">{t().toNewest}</span>}>
              <span aria-hidden="true">{below()}</span>
              <span class="unseen">{t().newBelow(below())}</span>
            </Show>
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
        <Composer id={props.id} room={open.room()} about={about()} onAbout={setAbout} files={files()} onFiles={setFiles} onPoll={() => setPanel({ kind: 'poll' })} onSent={toNewest} />
      </Show>
      <Show when={menu()}>
        {(message) => <MessageMenu room={props.id} known={open.room()} message={message()} onAbout={setAbout} onThread={(root) => openThread(props.id, root)} onClose={() => setMenu(undefined)} />}
      </Show>
      <Show when={photo()}>{(message) => <Viewer message={message()} open={open} onClose={() => setPhoto(undefined)} />}</Show>
      <Show when={danger()}>{(link) => <DangerousLink link={link()} onClose={() => setDanger(undefined)} />}</Show>
      <Panels id={props.id} open={open} panel={panel()} onPanel={setPanel} onJump={(event) => void jump(event)} onSent={toNewest} />
      <Suspense>
        <Show when={thread()} keyed>
          {(root) => <Thread id={props.id} root={root} onJump={(event) => void jump(event)} />}
        </Show>
      </Suspense>
    </div>
  )
}

interface PanelProps {
  id: string
  open: OpenRoom
  panel: Panel | undefined
  onPanel: (panel: Panel | undefined) => void
  onJump: (event: string) => void
  onSent: () => void
}

/** Windows over the room. */
function Panels(props: PanelProps): JSX.Element {
  const kind = () => props.panel?.kind
  const close = () => props.onPanel(undefined)
  const date = () => (props.panel?.kind === 'date' ? props.panel : undefined)
  return (
    <Suspense>
      <Show when={kind() === 'info' && props.open.room()}>
        {(room) => <RoomInfo room={room()} onClose={close} onJump={props.onJump} onDate={() => props.onPanel({ kind: 'date', ts: Date.now() })} />}
      </Show>
      <Show when={kind() === 'search' && props.open.room()}>{(room) => <Search room={room()} onClose={close} onJump={(_, event) => event && props.onJump(event)} />}</Show>
      <Show when={kind() === 'poll'}>
        <PollForm room={props.id} onSent={props.onSent} onClose={close} />
      </Show>
      <Show when={date()}>{(wanted) => <DateJump room={props.id} ts={wanted().ts} onJump={props.onJump} onClose={close} />}</Show>
    </Suspense>
  )
}

/** A reader hears what others say while the room is open. */
function announce(open: OpenRoom, me: string): void {
  let last: string | undefined
  createEffect(() => {
    const key = open.keys().at(-1)
    const row = key === undefined ? undefined : open.row(key)
    const room = open.room()
    if (!open.isReady() || open.isPast() || row?.kind !== 'message' || !room) return
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

function Typing(props: { id: string; open: OpenRoom }): JSX.Element {
  const client = useClient()
  const users = live(client, `typing ${props.id}`, () => client.chats.typing(props.id))
  const names = () => users().map((user) => memberName(props.open.room(), user))
  return <p class="typing">{names().length > 0 ? t().typing(names()) : ''}</p>
}
