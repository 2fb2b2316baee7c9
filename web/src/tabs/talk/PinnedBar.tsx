import { createEffect, createSignal, For, Show, type JSX } from 'solid-js'
import { PINNED, type Pinning } from '../../data/pins'
import { maySet, memberName } from '../../data/rooms'
import type { Message } from '../../data/timeline'
import type { Entry, Room } from '../../data/types'
import { useClient } from '../../ui/client'
import { Dialog } from '../../ui/Dialog'
import { orSay } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import { lineOf, summary } from '../../ui/phrases'
import { shortTime, t } from '../../ui/settings'
import './talk.css'
import { w } from './words'

interface Props {
  room: Room
  /** A message that is in memory, as it reads now. */
  message: (event: string) => Message | undefined
  onJump: (event: string) => void
}

interface Pin {
  line: string
  sender?: string
  ts?: number
}

/** A pinned message in a line: from memory, else looked up once. */
function pinOf(props: Props, event: () => string): () => Pin {
  const client = useClient()
  const [found, setFound] = createSignal<Entry | null>()
  createEffect(() => {
    if (props.message(event())) return
    setFound(undefined)
    void client.past.lookUp(props.room.id, event()).then(setFound, () => setFound(null))
  })
  return () => {
    const here = props.message(event())
    if (here) return { line: lineOf(here), sender: here.sender, ts: here.ts }
    const entry = found()
    return entry ? { line: summary(entry.type, entry.content, entry.redacted), sender: entry.sender, ts: entry.ts } : { line: entry === null ? w().pinUnreadable : '…' }
  }
}

/** The notice of a room, above its conversation; from here all that is pinned. */
export default function PinnedBar(props: Props): JSX.Element {
  const [isOpen, setOpen] = createSignal(false)
  const pinned = () => props.room.pinned ?? []
  const notice = pinOf(props, () => pinned()[0] ?? '')
  return (
    <aside class="pinned-bar" aria-label={w().notice}>
      <Icon name="notice" />
      <button type="button" class="text" onClick={() => props.onJump(pinned()[0]!)}>
        <span class="unseen">{w().notice}: </span>
        {notice().line}
      </button>
      <button type="button" class="all" aria-haspopup="dialog" aria-label={w().showPinned(pinned().length)} onClick={() => setOpen(true)}>
        <Icon name="pin" />
        {pinned().length}
      </button>
      <Show when={isOpen()}>
        <Dialog kind="page" title={w().pinnedMessages} onClose={() => setOpen(false)}>
          <ul class="scroll">
            <For each={pinned()} fallback={<li class="empty">{w().noPins}</li>}>
              {(event, at) => <Pinned {...props} event={event} isNotice={at() === 0} onJump={(one) => (setOpen(false), props.onJump(one))} />}
            </For>
          </ul>
        </Dialog>
      </Show>
    </aside>
  )
}

function Pinned(props: Props & { event: string; isNotice: boolean }): JSX.Element {
  const client = useClient()
  const pin = pinOf(props, () => props.event)
  const set = (how: Pinning) => orSay(client.chats.pin(props.room.id, props.event, how))
  return (
    <li class="pinned">
      <button type="button" class="entry" onClick={() => props.onJump(props.event)}>
        <span class="what">
          <span class="name">
            <Show when={props.isNotice}>
              <span class="tag">{w().notice}</span>
            </Show>
            <span>{pin().sender ? memberName(props.room, pin().sender!) : ''}</span>
          </span>
          <span class="line">{pin().line}</span>
        </span>
        <span class="side">
          <Show when={pin().ts}>{(ts) => <time>{shortTime(ts())}</time>}</Show>
        </span>
      </button>
      <Show when={maySet(props.room, client.me, PINNED)}>
        <p class="acts">
          <Show when={!props.isNotice}>
            <button type="button" onClick={() => set('notice')}>
              {t().makeNotice}
            </button>
          </Show>
          <button type="button" onClick={() => set('unpin')}>
            {t().unpin}
          </button>
        </p>
      </Show>
    </li>
  )
}
