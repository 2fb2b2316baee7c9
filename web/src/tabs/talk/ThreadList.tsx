import { createSignal, For, onMount, Show, type JSX } from 'solid-js'
import { asItReads } from '../../data/arrival'
import { memberName } from '../../data/rooms'
import type { Entry, Room } from '../../data/types'
import { Avatar } from '../../ui/Avatar'
import { useClient } from '../../ui/client'
import { explain } from '../../ui/errors'
import { summary } from '../../ui/phrases'
import { openThread } from '../../ui/route'
import { say } from '../../ui/say'
import { shortTime, t } from '../../ui/settings'
import './talk.css'
import { w } from './words'

/** All threads of a room; first those in which somebody spoke last. */
export default function ThreadList(props: { room: Room; onClose: () => void }): JSX.Element {
  const client = useClient()
  const [threads, setThreads] = createSignal<Entry[]>([])
  const [next, setNext] = createSignal<string>()
  const [isBusy, setBusy] = createSignal(true)
  async function load(): Promise<void> {
    setBusy(true)
    try {
      const page = await client.matrix.threads(props.room.id, next())
      setThreads([...threads(), ...page.chunk.map((event) => asItReads(event, props.room.id, 0))])
      setNext(page.next_batch)
    } catch (error) {
      say(explain(error))
    } finally {
      setBusy(false)
    }
  }
  onMount(() => void load())
  const open = (root: string) => {
    openThread(props.room.id, root)
    props.onClose()
  }
  return (
    <div class="scroll">
      <ul>
        <For each={threads()} fallback={<li class="empty">{isBusy() ? t().loading : w().noThreads}</li>}>
          {(root) => <Item room={props.room} root={root} onOpen={() => open(root.id)} />}
        </For>
      </ul>
      <Show when={next()}>
        <p class="padded">
          <button type="button" class="plain wide" disabled={isBusy()} onClick={() => void load()}>
            {w().more}
          </button>
        </p>
      </Show>
    </div>
  )
}

function Item(props: { room: Room; root: Entry; onOpen: () => void }): JSX.Element {
  const client = useClient()
  const name = (user: string) => memberName(props.room, user)
  const unread = () => props.room.threads[props.root.id]?.unread ?? 0
  return (
    <li>
      <button type="button" class="entry" onClick={() => props.onOpen()}>
        <Avatar media={client.media} id={props.root.sender} name={name(props.root.sender)} uri={props.room.members[props.root.sender]?.avatar} />
        <span class="what">
          <span class="name">
            <span>{summary(props.root.type, props.root.content, props.root.redacted)}</span>
          </span>
          <Show when={props.root.answers}>
            {(answers) => (
              <span class="line">
                {t().answers(answers().count)} · {name(answers().last.sender)}: {summary(answers().last.type, answers().last.content, answers().last.redacted)}
              </span>
            )}
          </Show>
        </span>
        <span class="side">
          <time>{shortTime(props.root.answers?.last.ts ?? props.root.ts)}</time>
          <Show when={unread() > 0}>
            <span class="count">
              <span aria-hidden="true">{unread()}</span>
              <span class="unseen">{t().unreadCount(unread())}</span>
            </span>
          </Show>
        </span>
      </button>
    </li>
  )
}
