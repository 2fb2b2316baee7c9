import { Refused } from '../net/errors'
import type { Matrix, SyncReply } from '../net/matrix'
import { readSync, type Change } from './arrival'
import type { Database } from './database'
import type { Account, Entry, Room } from './types'

export interface Memory {
  rooms: Map<string, Room>
  account: Account
}

export interface Listener {
  changed(change: Change): void
  typing(room: string, users: string[]): void
  heard(): void
  cut(): void
}

const PAUSES_MS = [300, 1_000, 2_000, 4_000, 8_000]

/**
 * Follows the server in named phases: fetch, write (one transaction, the token with what it stands for), update, emit.
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
    const since = ((await this.database.get('facts', 'since')) as string | undefined) ?? null
    const reply = await this.fetch(since)
    const written = await this.write(reply)
    this.update(written)
    this.emit(written, reply)
  }

  private async fetch(since: string | null): Promise<SyncReply> {
    this.fetching = new AbortController()
    const reply = await this.matrix.sync(since, this.fails === 0, this.fetching.signal)
    this.listener.heard()
    return reply
  }

  /** Keeps the place of entries that were there already; takes out of the outbox what has arrived. */
  private async write(reply: SyncReply): Promise<Change> {
    const transaction = this.database.transaction(['rooms', 'entries', 'outbox', 'facts'], 'readwrite')
    const known = new Map<string, Room>() // as they are now: another tab may have fetched older history meanwhile
    for (const id of roomsOf(reply)) {
      const room = await transaction.objectStore('rooms').get(id)
      if (room) known.set(id, room)
    }
    const change = readSync(reply, known, this.memory.account)
    const entries = transaction.objectStore('entries')
    const facts = transaction.objectStore('facts')
    const kept: Entry[] = []
    for (const entry of change.entries) {
      const before = await entries.get(entry.id)
      const whole = before ? { ...entry, order: before.order } : entry
      kept.push(whole)
      void entries.put(whole)
      if (!entry.redacts) continue
      const target = await entries.get(entry.redacts)
      if (!target) continue
      const emptied: Entry = { ...target, content: {}, redacted: true }
      kept.push(emptied)
      void entries.put(emptied)
    }
    for (const room of change.rooms) void transaction.objectStore('rooms').put(room)
    for (const txn of transactionsOf(reply)) void transaction.objectStore('outbox').delete(txn)
    if (change.account) void facts.put(change.account, 'account')
    void facts.put(reply.next_batch, 'since')
    await transaction.done
    return { ...change, entries: kept }
  }

  private update(change: Change): void {
    for (const room of change.rooms) this.memory.rooms.set(room.id, room)
    if (change.account) this.memory.account = change.account
  }

  private emit(change: Change, reply: SyncReply): void {
    if (change.rooms.length > 0 || change.account) this.listener.changed(change)
    for (const [room, joined] of Object.entries(reply.rooms?.join ?? {})) {
      const typing = joined.ephemeral?.events.find((event) => event.type === 'm.typing')
      if (typing) this.listener.typing(room, (typing.content['user_ids'] ?? []) as string[])
    }
  }

  private async afterFailure(error: unknown): Promise<void> {
    if (error instanceof DOMException && error.name === 'AbortError') return
    this.listener.cut()
    const told = error instanceof Refused ? error.retryAfterMs : undefined
    const pause = told ?? PAUSES_MS[Math.min(this.fails, PAUSES_MS.length - 1)]!
    this.fails++
    await new Promise<void>((resolve) => {
      this.wake = resolve
      setTimeout(resolve, pause * (0.75 + Math.random() / 2))
    })
  }
}

const roomsOf = ({ rooms }: SyncReply): string[] => [rooms?.join, rooms?.invite, rooms?.leave].flatMap((group) => Object.keys(group ?? {}))

/** The transaction ids of our own events in a reply: the server tells them to the device that sent them alone. */
export function transactionsOf(reply: SyncReply): string[] {
  const timelines = Object.values(reply.rooms?.join ?? {}).flatMap((joined) => joined.timeline?.events ?? [])
  return timelines.flatMap((event) => event.unsigned?.transaction_id ?? [])
}
