import { Refused, Unreachable } from '../net/errors'
import type { Matrix } from '../net/matrix'
import { floorOf, readOlder, stretchOf } from './arrival'
import { roomRange, type Database } from './database'
import { arrivedIn } from './outbox'
import { standing } from './timeline'
import type { Entry, Room } from './types'

const PAGE = 60
const FILL_PAGES_MAX = 30
const OPEN_MAX = 600 // how far back the first unread message is looked for when a room opens

/**
 * What of a room is in memory: everything from `low` up to now. It grows backwards, first from the disk, then from the
 * server. Because it always reaches to the newest, whatever was said about a message stands in it.
 */
export class RoomWindow {
  entries: Entry[] = []
  isStart = false
  isLoading = false
  private isFilling = false
  private low = Infinity
  /** what arrives before the first page was read: whether it stands in that page is not known yet */
  private early: Entry[] | undefined = []

  constructor(
    readonly id: string,
    private readonly database: Database,
    private readonly matrix: Matrix,
    private readonly keep: (room: Room, entries: Entry[], hasArrived: boolean) => void,
  ) {}

  /** The newest page; more, if the first unread message is not far. */
  async open(readUpTo: string | undefined): Promise<void> {
    await this.fromDisk(-Infinity, PAGE)
    while (readUpTo && !this.has(readUpTo) && this.entries.length < OPEN_MAX) {
      if ((await this.fromDisk(-Infinity, PAGE)) === 0) break
    }
    const early = this.early ?? []
    this.early = undefined
    this.apply(early)
    void this.fill()
  }

  has(id: string): boolean {
    return this.entries.some((entry) => entry.id === id)
  }

  /** What arrived or changed. Older than the window: it will be read from the disk when its time comes. */
  apply(changed: readonly Entry[]): boolean {
    const here = changed.filter((entry) => entry.room === this.id)
    if (this.early) this.early.push(...here)
    const own = this.early ? [] : here.filter((entry) => entry.order >= this.low || this.entries.length === 0)
    if (own.length === 0) return false
    this.set(merged(this.entries, own))
    void this.fill()
    return true
  }

  /** The room was left: nothing of it is kept. */
  clear(): void {
    this.set([])
    this.isStart = false
  }

  /** One page more at the older end. False: there is none now. */
  async older(): Promise<boolean> {
    if (this.isLoading || this.isStart) return false
    this.isLoading = true
    try {
      return await this.grow()
    } finally {
      this.isLoading = false
    }
  }

  /** Goes back until an event is there, as far as it is kept on this disk. */
  async reach(id: string): Promise<boolean> {
    const entry = await this.database.get('entries', id)
    if (!entry || entry.room !== this.id) return false
    while (!this.has(id) && (await this.fromDisk(-Infinity, 500)) > 0);
    return this.has(id)
  }

  /** Fetches what is missing between what is in memory, newest first; what cannot be had now is tried again later. */
  private async fill(): Promise<void> {
    if (this.isFilling) return
    this.isFilling = true
    try {
      for (let page = 0; page < FILL_PAGES_MAX; page++) {
        const room = await this.database.get('rooms', this.id)
        const hole = room?.stretches.findLast((stretch) => stretch.from !== null && stretch.number > stretchOf(this.low))
        if (!room || !hole || !(await this.tryServer(room, hole.number))) return
      }
    } finally {
      this.isFilling = false
    }
  }

  private async grow(): Promise<boolean> {
    const room = await this.database.get('rooms', this.id)
    if (!room || room.stretches.length === 0) return false
    const here = Math.min(stretchOf(this.low), room.stretches.at(-1)!.number)
    await this.fill()
    if ((await this.fromDisk(floorOf(here), PAGE)) > 0) return true
    const stretch = room.stretches.find((one) => one.number === here)
    if (stretch?.from != null && (await this.tryServer(room, here))) return true
    if ((await this.fromDisk(-Infinity, PAGE)) > 0) return true
    const now = await this.database.get('rooms', this.id)
    this.isStart = now?.stretches[0]?.from === null
    return false
  }

  private async fromDisk(floor: number, count: number): Promise<number> {
    const found: Entry[] = []
    const range = IDBKeyRange.bound([this.id, floor], [this.id, this.low], false, true)
    let cursor = await this.database.transaction('entries').store.index('place').openCursor(range, 'prev')
    while (cursor && found.length < count) {
      found.push(cursor.value)
      cursor = await cursor.continue()
    }
    if (found.length > 0) this.set(merged(found, this.entries))
    return found.length
  }

  private async tryServer(room: Room, number: number): Promise<boolean> {
    try {
      return await this.fromServer(room, number)
    } catch (error) {
      if (error instanceof Unreachable || error instanceof Refused) return false
      throw error
    }
  }

  private async fromServer(room: Room, number: number): Promise<boolean> {
    const from = room.stretches.find((one) => one.number === number)?.from
    if (from == null) return false
    const page = await this.matrix.messages(this.id, from, PAGE)
    const transaction = this.database.transaction(['rooms', 'entries', 'outbox'], 'readwrite')
    const entries = transaction.objectStore('entries')
    const known = new Set<string>()
    for (const event of page.chunk) if (await entries.getKey(event.event_id ?? '')) known.add(event.event_id ?? '')
    const current = (await transaction.objectStore('rooms').get(this.id)) ?? room
    if (current.stretches.find((one) => one.number === number)?.from !== from) return true // another tab was faster
    const grown = readOlder(current, number, page, known)
    void transaction.objectStore('rooms').put(grown.room)
    for (const entry of grown.entries) void entries.put(entry)
    const hasArrived = await arrivedIn(transaction.objectStore('outbox'), this.id, grown.entries)
    await transaction.done
    this.low = Math.min(this.low, ...grown.entries.map((entry) => entry.order))
    this.apply(grown.entries)
    this.keep(grown.room, grown.entries, hasArrived)
    return grown.entries.length > 0 || grown.room.stretches.some((one) => one.number === number && one.from !== null)
  }

  private set(entries: Entry[]): void {
    this.entries = entries
    this.low = entries[0]?.order ?? Infinity
  }
}

/** Each once, in order; of two the second holds. */
function merged(some: readonly Entry[], others: readonly Entry[]): Entry[] {
  const all = new Map([...some, ...others].map((entry) => [entry.id, entry]))
  return [...all.values()].toSorted((left, right) => left.order - right.order)
}

/** The messages kept of a room as they read now, newest first. */
export async function kept(database: Database, room: string): Promise<Entry[]> {
  const all = await database.getAllFromIndex('entries', 'place', roomRange(room)) // far faster than a cursor
  return standing(all).reverse()
}
