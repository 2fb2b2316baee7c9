import { createMemo, createSignal, onCleanup, type Accessor } from 'solid-js'
import type { Client } from '../data/client'
import { rows, type Message, type Row } from '../data/timeline'
import type { Item, Room } from '../data/types'

/** A room on the screen: its rows, and what can be done with the stretch of history that is in memory. */
export interface OpenRoom {
  room: Accessor<Room | undefined>
  keys: Accessor<string[]>
  row(key: string): Row | undefined
  message(event: string): Message | undefined
  newest(): string | undefined
  isReady: Accessor<boolean>
  older(): void
  reach(event: string): Promise<string | undefined>
}

export function useRoom(client: Client, id: string): OpenRoom {
  const window = client.openWindow(id)
  const [version, setVersion] = createSignal(0)
  const [items, setItems] = createSignal<Item[]>([])
  const [isReady, setReady] = createSignal(false)
  const readUpTo = client.room(id)?.unread ? (client.room(id)?.receipts[client.me] ?? client.room(id)?.fullyRead) : undefined
  const again = () => setVersion((count) => count + 1)
  const readItems = () => void client.waiting(id).then(setItems)
  onCleanup(client.on(`room ${id}`, again))
  onCleanup(client.on(`outbox ${id}`, readItems))
  onCleanup(() => client.closeWindow(window))
  readItems()
  void window.open(readUpTo).then(() => {
    again()
    setReady(true)
  })

  const room = createMemo(() => (version(), client.room(id)))
  const all = createMemo(() => {
    version()
    const known = room()
    if (!known) return []
    return rows({ room: known, entries: window.entries, items: items(), me: client.me, readUpTo, ignored: client.account.ignored, isStart: window.isStart })
  })
  const byKey = createMemo(() => new Map(all().map((row) => [row.key, row])))
  const byEvent = createMemo(() => new Map(all().flatMap((row) => (row.kind === 'message' && row.message.id ? [[row.message.id, row.message] as const] : []))))
  return {
    room,
    keys: createMemo(() => all().map((row) => row.key)),
    row: (key) => byKey().get(key),
    message: (event) => byEvent().get(event),
    newest: () => window.entries.at(-1)?.id,
    isReady,
    older: () => {
      if (window.isLoading || window.isStart) return
      void window.older().then((grew) => (grew || window.isStart) && again(), () => {})
    },
    reach: async (event) => {
      await window.reach(event)
      again()
      return byEvent().get(event)?.key
    },
  }
}
