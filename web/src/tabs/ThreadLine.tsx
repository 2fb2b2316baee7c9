import { Show, type JSX } from 'solid-js'
import { memberName } from '../data/rooms'
import type { Thread } from '../data/threads'
import type { Room } from '../data/types'
import { Icon } from '../ui/Icon'
import { summary } from '../ui/phrases'
import { shortTime, t } from '../ui/settings'

/** Under the message that a thread begins with: how much was said in it, and what last. */
export function ThreadLine(props: { room: Room; thread: Thread; onOpen: () => void }): JSX.Element {
  const last = () => props.thread.last
  return (
    <button type="button" class="thread-line" onClick={() => props.onOpen()}>
      <Icon name="thread" />
      <strong>{t().answers(props.thread.count)}</strong>
      <span class="last">
        {memberName(props.room, last().sender)}: {summary(last().type, last().content, last().redacted)}
      </span>
      <time>{shortTime(last().ts)}</time>
      <Show when={props.thread.unread > 0}>
        <span class="count">
          <span aria-hidden="true">{props.thread.unread}</span>
          <span class="unseen">{t().unreadCount(props.thread.unread)}</span>
        </span>
      </Show>
    </button>
  )
}
