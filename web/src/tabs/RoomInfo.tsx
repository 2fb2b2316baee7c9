import { createSignal, lazy, Show, Suspense, type JSX } from 'solid-js'
import { boardOf, canEncrypt, mayInvite, partner, roomAvatar, roomName } from '../data/rooms'
import type { Room } from '../data/types'
import { Avatar } from '../ui/Avatar'
import { useClient } from '../ui/client'
import { copy } from '../ui/copy'
import { Confirm, Dialog } from '../ui/Dialog'
import { explain, orSay } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { live } from '../ui/live'
import { PeoplePicker, type Picked } from '../ui/PeoplePicker'
import { report } from '../ui/reporting'
import { closeRoom, joinLink, openPage } from '../ui/route'
import { say } from '../ui/say'
import { t } from '../ui/settings'

const Drawer = lazy(() => import('./media/Drawer'))
const Members = lazy(() => import('./talk/Members'))
const ThreadList = lazy(() => import('./talk/ThreadList'))

interface Props {
  room: Room
  onClose: () => void
  onJump: (event: string) => void
  onDate: () => void
}

type Page = 'main' | 'drawer' | 'threads' | 'invite' | 'leave'

export function RoomInfo(props: Props): JSX.Element {
  const [page, setPage] = createSignal<Page>('main')
  const client = useClient()
  const title = () => ({ main: t().roomInfo, drawer: t().drawer, threads: t().threads, invite: t().invite, leave: t().leave })[page()]
  const leave = () =>
    client.chats.leave(props.room.id).then(
      () => closeRoom(),
      (error) => say(explain(error)),
    )
  return (
    <Show when={page() !== 'leave'} fallback={<Confirm title={t().leave} text={t().leaveConfirm} action={t().leave} onClose={props.onClose} onYes={() => void leave()} />}>
      <Dialog kind="page" title={title()} onClose={() => page() !== 'leave' && props.onClose()}>
        <Show when={page() === 'main'}>
          <Main {...props} onPage={setPage} />
        </Show>
        <Show when={page() === 'drawer'}>
          <Suspense fallback={<p class="empty">{t().loading}</p>}>
            <Drawer room={props.room} onJump={props.onJump} />
          </Suspense>
        </Show>
        <Suspense>
          <Show when={page() === 'threads'}>
            <ThreadList room={props.room} onClose={props.onClose} />
          </Show>
        </Suspense>
        <Show when={page() === 'invite'}>
          <Invite room={props.room} onDone={() => setPage('main')} />
        </Show>
      </Dialog>
    </Show>
  )
}

function Main(props: Props & { onPage: (page: Page) => void }): JSX.Element {
  const client = useClient()
  const isMuted = live(client, 'rooms', () => client.account.muted.includes(props.room.id))
  const name = () => roomName(props.room, client.me, client.account) || t().emptyRoom
  const mute = () => client.chats.setMuted(props.room.id, !isMuted()).catch((error) => say(explain(error)))
  const other = () => partner(props.room, client.account)
  const isIgnored = live(client, 'rooms', () => client.account.ignored.includes(other() ?? ''))
  const reportRoom = () => {
    props.onClose()
    report({ room: props.room.id })
  }
  return (
    <div class="scroll">
      <div class="me">
        <Avatar media={client.media} id={other() ?? props.room.id} name={name()} uri={roomAvatar(props.room, client.account)} group={!other()} />
        <span>
          <strong>{name()}</strong>
          <span class="quiet">{props.room.topic ?? props.room.alias ?? ''}</span>
        </span>
      </div>
      <div class="menu">
        <button type="button" onClick={() => props.onPage('drawer')}>
          <Icon name="photo" />
          {t().drawer}
        </button>
        <button type="button" onClick={() => props.onPage('threads')}>
          <Icon name="thread" />
          {t().threads}
          <Show when={Object.keys(props.room.threads).length > 0}>
            <span class="count">{Object.keys(props.room.threads).length}</span>
          </Show>
        </button>
        <button type="button" onClick={() => props.onDate()}>
          <Icon name="calendar" />
          {t().toDate}
        </button>
        <button type="button" onClick={() => void mute()}>
          <Icon name="silent" />
          {isMuted() ? t().unmute : t().mute}
        </button>
        <Show when={boardOf(props.room, client.me)}>
          {(has) => (
            <button type="button" onClick={() => openPage('board', props.room.id)}>
              <Icon name="bed" />
              {has() === 'has' ? t().openBoard : t().makeBoard}
            </button>
          )}
        </Show>
        <Show when={canEncrypt()}>
          <button type="button" onClick={() => openPage('encryption', props.room.id)}>
            <Icon name="lock" />
            {t().secretChat}
          </button>
        </Show>
        <Show when={mayInvite(props.room, client.me)}>
          <button type="button" onClick={() => props.onPage('invite')}>
            <Icon name="plus" />
            {t().invite}
          </button>
        </Show>
        <Show when={props.room.joinRule === 'public'}>
          <button type="button" onClick={() => copy(joinLink(props.room.alias ?? props.room.id))}>
            <Icon name="link" />
            {t().copyLink}
          </button>
        </Show>
        <Show when={other()}>
          {(user) => (
            <button type="button" onClick={() => orSay(client.self.setIgnored(user(), !isIgnored()))}>
              <Icon name="shield" />
              {isIgnored() ? t().unblock : t().block}
            </button>
          )}
        </Show>
        <button type="button" onClick={reportRoom}>
          <Icon name="warning" />
          {t().report}
        </button>
        <button type="button" class="danger" onClick={() => props.onPage('leave')}>
          <Icon name="back" />
          {t().leave}
        </button>
      </div>
      <Suspense>
        <Members room={props.room} />
      </Suspense>
    </div>
  )
}

function Invite(props: { room: Room; onDone: () => void }): JSX.Element {
  const client = useClient()
  const [picked, setPicked] = createSignal<Picked[]>([])
  const here = () => Object.entries(props.room.members).flatMap(([user, member]) => (member.membership === 'join' ? [user] : []))
  async function invite(): Promise<void> {
    try {
      for (const person of picked()) await client.matrix.invite(props.room.id, person.user)
      say(t().inviteSent)
      props.onDone()
    } catch (error) {
      say(explain(error))
    }
  }
  return (
    <>
      <PeoplePicker picked={picked()} without={here()} onChange={setPicked} />
      <div class="foot">
        <button type="button" class="strong wide" disabled={picked().length === 0} onClick={() => void invite()}>
          {t().invite}
        </button>
      </div>
    </>
  )
}
