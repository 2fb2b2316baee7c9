import type { Change } from './arrival'
import type { Database } from './database'
import type { Memory } from './sync'
import type { Tabs } from './tabs'
import { NO_ACCOUNT, type Account, type Entry, type Room, type Session } from './types'
import type { RoomWindow } from './window'

export type Topic = 'session' | 'rooms' | 'health' | 'profile' | 'intents' | 'encryption' | `room ${string}` | `outbox ${string}` | `typing ${string}` | `upload ${string}`

/** What this tab knows of the account, and who wants to hear when it changes. Screens listen to topics and read again. */
export class Known {
  session: Session | null = null
  readonly memory: Memory = { rooms: new Map(), account: NO_ACCOUNT }
  private readonly listeners = new Map<Topic, Set<() => void>>()
  private readonly watchers = new Set<(entries: readonly Entry[]) => void>()
  readonly windows = new Set<RoomWindow>()

  constructor(
    private readonly database: Database,
    private readonly tabs: Pick<Tabs, 'tell'>,
    private readonly onApplied: (change: Change) => void,
  ) {}

  get me(): string {
    return this.session?.user ?? ''
  }

  get account(): Account {
    return this.memory.account
  }

  rooms(): Room[] {
    return [...this.memory.rooms.values()]
  }

  room(id: string): Room | undefined {
    return this.memory.rooms.get(id)
  }

  on(topic: Topic, run: () => void): () => void {
    const all = this.listeners.get(topic) ?? new Set()
    this.listeners.set(topic, all)
    all.add(run)
    return () => {
      all.delete(run)
      if (all.size === 0 && this.listeners.get(topic) === all) this.listeners.delete(topic)
    }
  }

  emit(topic: Topic): void {
    for (const run of this.listeners.get(topic) ?? []) run()
  }

  /** Events of all rooms, as they come in. */
  watch(run: (entries: readonly Entry[]) => void): () => void {
    this.watchers.add(run)
    return () => this.watchers.delete(run)
  }

  /** What this tab changed: here, and in the others. */
  changed(change: Change): void {
    this.tabs.tell({ kind: 'changed', ...change })
    this.apply(change)
  }

  /** What any tab changed. */
  apply(change: Change): void {
    for (const room of change.rooms) this.memory.rooms.set(room.id, room)
    if (change.account) this.memory.account = change.account
    for (const run of this.watchers) run(change.entries)
    for (const window of this.windows) {
      if (change.rooms.some((room) => room.id === window.id && room.membership !== 'join')) window.clear()
      window.apply(change.entries)
    }
    const touched = change.account ? this.memory.rooms.keys() : change.rooms.map((room) => room.id)
    for (const id of touched) this.emit(`room ${id}`)
    this.emit('rooms')
    this.onApplied(change)
  }

  changedAccount(part: Partial<Account>): void {
    this.changed({ rooms: [], entries: [], account: { ...this.account, ...part } })
  }

  /** Edits a room as it is on disk, which another tab may just have written. */
  async patch(id: string, edit: (room: Room) => Room): Promise<void> {
    const transaction = this.database.transaction('rooms', 'readwrite')
    const before = await transaction.store.get(id)
    const room = before && edit(before)
    if (room) await transaction.store.put(room)
    await transaction.done
    if (room) this.changed({ rooms: [room], entries: [] })
  }
}
