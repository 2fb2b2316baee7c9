import { createMemo, createSignal, onCleanup, type Accessor } from 'solid-js'
import type { Client } from '../data/client'
import { conversationOf } from '../data/threads'
import { rowNear, rows, type Message, type Row } from '../data/timeline'
import type { Item, Room } from '../data/types'
import type { Visit } from '../data/visit'

/** A conversation on the screen: its rows, and what can be done with what of it is in memory. */
export interface Conversation {
  room: Accessor<Room | undefined>
  keys: Accessor<string[]>
  row(key: string): Row | undefined
  message(event: string): Message | undefined
  /** the newest event that its reader has then read */
  newest(): string | undefined
  isReady: Accessor<boolean>
  older(): void
}

/** What a jump led to: a row of the room, or a thread that the event was said in. */
export interface Reached {
  key?: string | undefined
  thread?: string
}

export interface OpenRoom extends Conversation {
  reach(event: string): Promise<Reached>
  /** A place in the past is shown, which does not reach to now. */
  isPast: Accessor<boolean>
  newer(): void
  toPresent(): void
  /** The last event that was read, if it lies further back than what is in memory. */
  farUnread: Accessor<string | undefined>
}

/** Rows by their keys, and messages by their events. */
export function indexed(all: Accessor<Row[]>): Pick<Conversation, 'keys' | 'row' | 'message'> {
  const byKey = createMemo(() => new Map(all().map((row) => [row.key, row])))
  const byEvent = createMemo(() => new Map(all().flatMap((row) => (row.kind === 'message' && row.message.id ? [[row.message.id, row.message] as const] : []))))
  return {
    keys: createMemo(() => all().map((row) => row.key)),
    row: (key) => byKey().get(key),
    message: (event) => byEvent().get(event),
  }
}

/** What waits to be sent in a room. */
export function waitingItems(client: Client, id: string): Accessor<Item[]> {
  const [items, setItems] = createSignal<Item[]>([])
  const read = () => void client.speech.waiting(id).then(setItems)
  onCleanup(client.on(`outbox ${id}`, read))
  read()
  return items
}

export function useRoom(client: Client, id: string): OpenRoom {
  const window = client.openWindow(id)
  const [version, setVersion] = createSignal(0)
  const [isReady, setReady] = createSignal(false)
  const [visit, setVisit] = createSignal<Visit>()
  const [farUnread, setFarUnread] = createSignal<string>()
  const items = waitingItems(client, id)
  const readUpTo = client.room(id)?.unread ? (client.room(id)?.receipts[client.me] ?? client.room(id)?.fullyRead) : undefined
  const again = () => setVersion((count) => count + 1)
  onCleanup(client.on(`room ${id}`, again))
  onCleanup(() => client.closeWindow(window))
  void window.open(readUpTo).then(() => {
    if (readUpTo && !window.has(readUpTo)) setFarUnread(readUpTo)
    again()
    setReady(true)
  })

  const room = createMemo(() => (version(), client.room(id)))
  const isPast = createMemo(() => (version(), visit() !== undefined && !visit()!.hasMet))
  const all = createMemo(() => {
    version()
    const known = room()
    const past = visit()
    if (!known) return []
    const shown = past ? { entries: past.entries, also: [...past.also, ...window.entries], isPast: !past.hasMet } : { entries: window.entries }
    return rows({ ...shown, room: known, items: items(), me: client.me, readUpTo, ignored: client.account.ignored, isStart: (past ?? window).isStart })
  })
  const grow = (run: Promise<boolean>, isDone: () => boolean) => void run.then((grew) => (grew || isDone()) && again(), () => {})

  async function reach(event: string): Promise<Reached> {
    const isHere = (visit()?.has(event) ?? false) || (await window.reach(event))
    if (isHere && !visit()?.has(event)) setVisit(undefined)
    if (!isHere) setVisit(await client.past.visit(id, event, window))
    again()
    const entry = (visit()?.entries ?? window.entries).find((one) => one.id === event)
    const thread = entry && conversationOf(entry)
    return thread === undefined ? { key: rowNear(all(), event, entry?.order) } : { key: rowNear(all(), thread, undefined), thread }
  }

  return {
    ...indexed(all),
    room,
    isReady,
    isPast,
    farUnread,
    reach,
    newest: () => newestOf(window.entries, room()),
    older: () => {
      const shown = visit() ?? window
      if (!shown.isLoading && !shown.isStart) grow(shown.older(), () => shown.isStart)
    },
    newer: () => {
      const past = visit()
      if (past && !past.isLoading && !past.hasMet) grow(past.newer(), () => past.hasMet)
    },
    toPresent: () => {
      setVisit(undefined)
      again()
    },
  }
}

/** With unread threads, the newest event that is in none and about nothing: a receipt for the room alone names such a one. */
function newestOf(entries: readonly { id: string; content: object; thread?: string }[], room: Room | undefined): string | undefined {
  if (Object.keys(room?.threads ?? {}).length === 0) return entries.at(-1)?.id
  return entries.findLast((entry) => entry.thread === undefined && !('m.relates_to' in entry.content))?.id
}
