import { createSignal, ErrorBoundary, onMount, Show, Suspense, lazy, type JSX } from 'solid-js'
import type { Link } from '../../data/links'
import { roomName, whyShut } from '../../data/rooms'
import type { Message } from '../../data/timeline'
import { useClient } from '../../ui/client'
import { dropping } from '../../ui/dropping'
import { Icon } from '../../ui/Icon'
import { useThread } from '../../ui/openThread'
import { readWhileSeen } from '../../ui/reading'
import { closeThread } from '../../ui/route'
import { t } from '../../ui/settings'
import { VirtualList, type ListControl } from '../../ui/VirtualList'
import { Composer, type About } from '../Composer'
import { DangerousLink } from '../DangerousLink'
import { MessageMenu } from '../MessageMenu'
import { RowView } from '../RowView'
import { Viewer } from '../Viewer'
import './talk.css'
import { w } from './words'

const PollForm = lazy(() => import('./PollForm'))

/** One thread: over its room on a phone, beside it where there is space. */
export default function Thread(props: { id: string; root: string; onJump: (event: string) => void }): JSX.Element {
  const client = useClient()
  const open = useThread(client, props.id, props.root)
  const [isAtBottom, setAtBottom] = createSignal(true)
  const [about, setAbout] = createSignal<About>()
  const [menu, setMenu] = createSignal<Message>()
  const [photo, setPhoto] = createSignal<Message>()
  const [danger, setDanger] = createSignal<Link>()
  const [isAsking, setAsking] = createSignal(false)
  const [isDropping, setDropping] = createSignal(false)
  const [files, setFiles] = createSignal<File[]>([])
  let list: ListControl | undefined
  let panel!: HTMLElement
  const isOpen = () => whyShut(open.room()) === undefined
  const toNewest = () => list?.toBottom()
  const place = () => ({ thread: { root: props.root, last: open.last() } })
  const jump = (event: string) => {
    const here = open.message(event)
    if (here) list?.toKey(here.key)
    else props.onJump(event)
  }
  onMount(() => {
    if (!panel.contains(document.activeElement)) panel.focus()
  })
  readWhileSeen(open, isAtBottom, (event) => {
    if (!open.message(event)?.mine) void client.chats.markRead(props.id, event, props.root)
  })
  const escape = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || event.defaultPrevented || about() || (event.target as Element).closest('dialog')) return
    closeThread()
  }
  return (
    <section ref={panel} class="thread" aria-label={w().thread} tabindex="-1" onKeyDown={escape} {...dropping(isOpen, setDropping, setFiles)}>
      <header class="bar">
        <h2>
          {w().thread}
          <span class="small quiet">{open.room() && roomName(open.room()!, client.me, client.account)}</span>
        </h2>
        <button type="button" class="round" aria-label={w().closeThread} onClick={closeThread}>
          <Icon name="close" />
        </button>
      </header>
      <div class="talk">
        <Show when={open.isReady()} fallback={<p class="empty">{t().loading}</p>}>
          <VirtualList
            label={w().thread}
            keys={open.keys()}
            holds={(key) => open.row(key)?.kind === 'message'}
            onNearTop={open.older}
            onBottom={setAtBottom}
            control={(control) => (list = control)}
            row={(key) => (
              <ErrorBoundary fallback={<p class="event">{t().unshowable}</p>}>
                <RowView row={open.row(key)} open={open} onMenu={setMenu} onPhoto={setPhoto} onDanger={setDanger} onJump={jump} />
              </ErrorBoundary>
            )}
          />
          <Show when={open.newest() === undefined}>
            <p class="empty">{w().threadEmpty}</p>
          </Show>
        </Show>
        <Show when={isDropping() && isOpen()}>
          <p class="drop">{t().dropHere}</p>
        </Show>
      </div>
      <Show when={isOpen()}>
        <Composer
          id={props.id}
          room={open.room()}
          thread={{ root: props.root, last: open.last }}
          about={about()}
          onAbout={setAbout}
          files={files()}
          onFiles={setFiles}
          onPoll={() => setAsking(true)}
          onSent={toNewest}
        />
      </Show>
      <Show when={menu()}>{(message) => <MessageMenu room={props.id} known={open.room()} message={message()} onAbout={setAbout} onClose={() => setMenu(undefined)} />}</Show>
      <Show when={photo()}>{(message) => <Viewer message={message()} open={open} onClose={() => setPhoto(undefined)} />}</Show>
      <Show when={danger()}>{(link) => <DangerousLink link={link()} onClose={() => setDanger(undefined)} />}</Show>
      <Suspense>
        <Show when={isAsking()}>
          <PollForm room={props.id} place={place()} onSent={toNewest} onClose={() => setAsking(false)} />
        </Show>
      </Suspense>
    </section>
  )
}
