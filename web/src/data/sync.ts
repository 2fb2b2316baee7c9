import { Refused, Unreachable } from '../net/errors'
import type { Matrix, SyncReply } from '../net/matrix'
import { readSync, type Change } from './arrival'
import { deleteRoom, type Database, type Store } from './database'
import { isFull } from './failures'
import { arrivedIn } from './outbox'
import { NO_ACCOUNT, type Account, type Entry, type Room } from './types'

export interface Memory {
  rooms: Map<string, Room>
  account: Account
}

export interface Listener {
  changed(change: Change): void
  typing(room: string, users: string[]): void
  heard(): void
  /** The phase that decrypts: puts beside each encrypted event what it says. Rejects only where another tab leads by now. */
  decrypt?(reply: SyncReply): Promise<void>
  /** Some items of a room's outbox are done: their events came. */
  arrived(room: string): void
  failed(fault: Fault): void
}

/** cut: no site serves. full: this browser has no room. other: it will be tried again, and nobody need know. */
export type Fault = 'cut' | 'full' | 'other'

/** What a reply changed on disk. cleared: rooms whose outbox it made shorter. */
interface Written {
  change: Change
  cleared: string[]
}

const PAUSES_MS = [300, 1_000, 2_000, 4_000, 8_000]

/**
 * Follows the server in named phases: fetch, decrypt, write (one transaction, the token with what it stands for),
 * update, emit.
 * A crash between any two leaves the disk as it was after a whole reply.
 */
export class SyncEngine {
  private stopping = new AbortController()
  private fetching = new AbortController()
  private wake: () => void = () => {}
  private fails = 0

  constructor(
    private readonly matrix: Matrix,
    private readonly database: Database,
    private readonly memory: Memory,
    private readonly listener: Listener,
  ) {}

  async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        await this.turn()
        this.fails = 0
      } catch (error) {
        if (this.stopping.signal.aborted) return
        await this.afterFailure(error)
      }
    }
  }

  stop(): void {
    this.stopping.abort()
    this.fetching.abort()
    this.wake()
  }

  /** The network came back, or another site answers: what is parked at the old one is given up. */
  hurry(): void {
    this.fetching.abort()
    this.wake()
  }

  private async turn(): Promise<void> {
    const since = await this.since()
    const reply = await this.fetch(since)
    await this.listener.decrypt?.(reply)
    const written = await this.write(reply, since)
    if (!written) return
    this.update(written.change)
    this.emit(written, reply)
  }

  private async since(): Promise<string | null> {
    return ((await this.database.get('facts', 'since')) as string | undefined) ?? null
  }

  private async fetch(since: string | null): Promise<SyncReply> {
    this.fetching = new AbortController()
    const reply = await this.matrix.sync(since, this.fails === 0, this.fetching.signal)
    this.listener.heard()
    return reply
  }

  /** Null: another tab, which leads too, was faster; what it wrote counts, and this reply is dropped. */
  private async write(reply: SyncReply, since: string | null): Promise<Written | null> {
    const transaction = this.database.transaction(['rooms', 'entries', 'outbox', 'facts'], 'readwrite')
    const facts = transaction.objectStore('facts')
    if (((await facts.get('since')) ?? null) !== since) return null
    const account = ((await facts.get('account')) as Account | undefined) ?? NO_ACCOUNT
    const change = readSync(reply, await knownIn(transaction.objectStore('rooms'), reply), account)
    const outbox = transaction.objectStore('outbox')
    const entries = await keepIn(transaction.objectStore('entries'), change)
    const cleared = await clearIn(outbox, change)
    for (const room of change.rooms) void transaction.objectStore('rooms').put(room)
    if (change.account) void facts.put(change.account, 'account')
    void facts.put(reply.next_batch, 'since')
    await transaction.done
    return { change: { ...change, entries }, cleared }
  }

  private update(change: Change): void {
    for (const room of change.rooms) this.memory.rooms.set(room.id, room)
    if (change.account) this.memory.account = change.account
  }

  private emit({ change, cleared }: Written, reply: SyncReply): void {
    for (const room of cleared) this.listener.arrived(room)
    if (change.rooms.length > 0 || change.account) this.listener.changed(change)
    for (const [room, joined] of Object.entries(reply.rooms?.join ?? {})) {
      const typing = joined.ephemeral?.events.find((event) => event.type === 'm.typing')
      if (typing) this.listener.typing(room, (typing.content['user_ids'] ?? []) as string[])
    }
  }

  private async afterFailure(error: unknown): Promise<void> {
    if (error instanceof DOMException && error.name === 'AbortError') return
    this.listener.failed(faultOf(error))
    const told = error instanceof Refused ? (error.retryAfterMs ?? 0) : 0
    const pause = Math.max(told, PAUSES_MS[Math.min(this.fails, PAUSES_MS.length - 1)]!)
    this.fails++
    await new Promise<void>((resolve) => {
      this.wake = resolve
      setTimeout(resolve, pause * (0.75 + Math.random() / 2))
    })
  }
}

const roomsOf = ({ rooms }: SyncReply): string[] => [rooms?.join, rooms?.invite, rooms?.leave].flatMap((group) => Object.keys(group ?? {}))

/** The rooms of a reply as they are now: another tab may have fetched older history meanwhile. */
async function knownIn(store: Store<'rooms'>, reply: SyncReply): Promise<Map<string, Room>> {
  const known = new Map<string, Room>()
  for (const id of roomsOf(reply)) {
    const room = await store.get(id)
    if (room) known.set(id, room)
  }
  return known
}

/** Entries are kept of rooms that one is in. One that was there already keeps its place; what is redacted is emptied. */
async function keepIn(store: Store<'entries'>, change: Change): Promise<Entry[]> {
  for (const room of change.rooms) if (room.membership !== 'join') await deleteRoom(store, room.id)
  const kept: Entry[] = []
  for (const entry of change.entries) {
    const before = await store.get(entry.id)
    kept.push(before ? { ...(before.opened && entry.sealed && !entry.opened ? before : entry), order: before.order } : entry)
    await store.put(kept.at(-1)!)
    const target = entry.redacts && (await store.get(entry.redacts))
    if (!target) continue
    const { sealed: _, ...rest } = target
    kept.push({ ...rest, content: {}, redacted: true })
    await store.put(kept.at(-1)!)
  }
  return kept
}

function byRoom(entries: readonly Entry[]): Map<string, Entry[]> {
  const rooms = new Map<string, Entry[]>()
  for (const entry of entries) rooms.set(entry.room, [...(rooms.get(entry.room) ?? []), entry])
  return rooms
}

async function clearIn(store: Store<'outbox'>, change: Change): Promise<string[]> {
  const cleared: string[] = []
  for (const [room, entries] of byRoom(change.entries)) {
    if (await arrivedIn(store, room, entries)) cleared.push(room)
  }
  return cleared
}

function faultOf(error: unknown): Fault {
  if (error instanceof Unreachable || (error instanceof Refused && error.status === 503)) return 'cut'
  return isFull(error) ? 'full' : 'other'
}
