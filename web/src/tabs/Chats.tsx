import { createSignal, ErrorBoundary, For, lazy, Show, Suspense, type JSX } from 'solid-js'
import { chatList, memberName, partner, roomAvatar, roomName } from '../data/rooms'
import type { Room } from '../data/types'
import { Avatar } from '../ui/Avatar'
import { useClient } from '../ui/client'
import { explain } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { live } from '../ui/live'
import { previewLine } from '../ui/phrases'
import { openRoom, plainClick, route } from '../ui/route'
import { say } from '../ui/say'
import { shortTime, t } from '../ui/settings'
import { NewChat } from './NewChat'

const Search = lazy(() => import('./talk/Search'))

export function Chats(): JSX.Element {
  const client = useClient()
  const rooms = live(client, 'rooms', () => chatList(client.rooms()))
  const ids = () => rooms().map((room) => room.id)
  const [isNew, setNew] = createSignal(false)
  const [isSearching, setSearching] = createSignal(false)
  return (
    <>
      <header class="bar">
        <h1>{t().chats}</h1>
        <button type="button" class="round" aria-label={t().searchAll} aria-haspopup="dialog" onClick={() => setSearching(true)}>
          <Icon name="search" />
        </button>
        <button type="button" class="round" aria-label={t().newChat} onClick={() => setNew(true)}>
          <Icon name="plus" />
        </button>
      </header>
      <div class="scroll">
        <Show when={ids().length > 0} fallback={<Empty title={t().noChats} hint={t().noChatsHint} />}>
          <ul>
            <For each={ids()}>
              {(id) => (
                <ErrorBoundary fallback={<li class="entry">{t().unshowable}</li>}>
                  <Chat id={id} />
                </ErrorBoundary>
              )}
            </For>
          </ul>
        </Show>
      </div>
      <Show when={isNew()}>
        <NewChat onClose={() => setNew(false)} />
      </Show>
      <Suspense>
        <Show when={isSearching()}>
          <Search
            onClose={() => setSearching(false)}
            onJump={(room, event) => {
              setSearching(false)
              openRoom(room, event)
            }}
          />
        </Show>
      </Suspense>
    </>
  )
}

export function Empty(props: { title: string; hint: string }): JSX.Element {
  return (
    <p class="empty">
      <strong>{props.title}</strong>
      {props.hint}
    </p>
  )
}

function Chat(props: { id: string }): JSX.Element {
  const client = useClient()
  const room = live(client, `room ${props.id}`, () => client.room(props.id))
  return (
    <Show when={room()}>
      {(known) => (
        <li>
          <Show when={known().membership === 'invite'} fallback={<Joined room={known()} />}>
            <Invited room={known()} />
          </Show>
        </li>
      )}
    </Show>
  )
}

function Face(props: { room: Room }): JSX.Element {
  const client = useClient()
  const other = () => partner(props.room, client.account)
  const name = () => roomName(props.room, client.me, client.account) || t().emptyRoom
  return <Avatar media={client.media} id={other() ?? props.room.id} name={name()} uri={roomAvatar(props.room, client.account)} group={!other()} />
}

function Joined(props: { room: Room }): JSX.Element {
  const client = useClient()
  const draft = live(client, `room ${props.room.id}`, () => client.drafts.of(props.room.id))
  const isMuted = () => client.account.muted.includes(props.room.id)
  return (
    <a class="entry" href={`/app/room/${encodeURIComponent(props.room.id)}`} aria-current={route().room === props.room.id ? 'true' : undefined} onClick={plainClick(() => openRoom(props.room.id))}>
      <Face room={props.room} />
      <span class="what">
        <span class="name">
          <span>{roomName(props.room, client.me, client.account) || t().emptyRoom}</span>
          <Show when={props.room.tags.includes('m.favourite')}>
            <Icon name="star" />
            <span class="unseen">{t().favourite}</span>
          </Show>
          <Show when={isMuted()}>
            <Icon name="silent" />
            <span class="unseen">{t().muted}</span>
          </Show>
        </span>
        <span class="line">
          <Show when={draft() && route().room !== props.room.id} fallback={previewLine(props.room, props.room.last, client.me)}>
            <span class="draft">{t().draft}: </span>
            {draft()}
          </Show>
        </span>
      </span>
      <span class="side">
        <Show when={props.room.lastTs > 0}>
          <time datetime={new Date(props.room.lastTs).toISOString()}>{shortTime(props.room.lastTs)}</time>
        </Show>
        <span class="counts">
          <Show when={props.room.highlights > 0}>
            <span class="count at">
              <span aria-hidden="true">@</span>
              <span class="unseen">{t().highlightCount(props.room.highlights)}</span>
            </span>
          </Show>
          <Show when={props.room.unread > 0}>
            <span class="count" classList={{ calm: isMuted() }}>
              <span aria-hidden="true">{props.room.unread > 999 ? '999+' : props.room.unread}</span>
              <span class="unseen">{t().unreadCount(props.room.unread)}</span>
            </span>
          </Show>
        </span>
      </span>
    </a>
  )
}

function Invited(props: { room: Room }): JSX.Element {
  const client = useClient()
  const inviter = () => memberName(props.room, props.room.inviter ?? '')
  const join = () => client.chats.join(props.room.id).then(openRoom, (error) => say(explain(error)))
  const decline = () => client.chats.leave(props.room.id).catch((error) => say(explain(error)))
  return (
    <div class="entry">
      <Face room={props.room} />
      <span class="what">
        <span class="name">
          <span>{roomName(props.room, client.me, client.account) || inviter()}</span>
        </span>
        <span class="line">{t().invitedBy(inviter())}</span>
        <span class="choices in-entry">
          <button type="button" class="plain" onClick={() => void decline()}>
            {t().decline}
          </button>
          <button type="button" class="strong" onClick={() => void join()}>
            {t().accept}
          </button>
        </span>
      </span>
    </div>
  )
}
