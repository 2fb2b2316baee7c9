import { Refused } from '../net/errors'
import type { RawEvent } from '../net/matrix'
import { entryOf } from './arrival'
import { newestFirst, searcher, thingsOf, type Shelf, type Thing } from './drawer'
import type { Entry } from './types'

/** What a gathering reads: this device, and the server. */
export interface Reads {
  /** The messages kept of a room as they read now, newest first. */
  kept(room: string): Promise<Entry[]>
  /** Messages of a room that carry a file, newest first, from a token on. */
  files(room: string, from: string | undefined): Promise<{ chunk: RawEvent[]; end?: string }>
  /** Messages of these rooms that hold the words, newest first. */
  find(words: string, rooms: readonly string[], from: string | undefined): Promise<{ chunk: RawEvent[]; end?: string }>
}

/** Something at the server that is read page by page. Nothing newer than `upTo` is unread in it. room: null for all. */
export interface Source {
  room: string | null
  from: string | undefined
  upTo: number
  isDone: boolean
}

/** The one that may hold the newest that is still unread. */
export const nextOf = (sources: readonly Source[]): Source | undefined =>
  sources.filter((source) => !source.isDone).reduce<Source | undefined>((best, one) => (best && best.upTo >= one.upTo ? best : one), undefined)

/** Everything newer than this moment is known. */
export const settledAt = (sources: readonly Source[]): number => nextOf(sources)?.upTo ?? -Infinity

/** A source after a page of it. */
export function read(source: Source, page: { chunk: readonly RawEvent[]; end?: string }): Source {
  const oldest = page.chunk.reduce((least, event) => Math.min(least, event.origin_server_ts), source.upTo)
  return { ...source, from: page.end, upTo: oldest, isDone: page.end === undefined }
}

export interface Room {
  id: string
  /** when something was last said there */
  lastTs: number
  /** the server cannot look into it */
  encrypted?: boolean
}

const PAGES_MAX = 16 // asked at a time; whoever goes on looking asks for more
const MORE = 30
const LINK = 'http'

/**
 * What of a kind was sent in some rooms, newest first: at once what this device has seen, then page by page what the
 * server knows. onChange: there is more, or the state is another.
 */
export class Gathering {
  things: readonly Thing[] = []
  state: 'idle' | 'loading' | 'cut' = 'idle'
  private readonly found = new Map<string, Thing>()
  private sources: Source[]
  private goal = Infinity
  private isEnded = false
  private run: Promise<void> = Promise.resolve()

  constructor(
    private readonly reads: Reads,
    private readonly rooms: readonly Room[],
    private readonly shelf: Shelf,
    private readonly words: string,
    private readonly ignored: readonly string[],
    private readonly onChange: () => void,
  ) {
    const open = rooms.filter((room) => !room.encrypted)
    const newest = Math.max(0, ...open.map((room) => room.lastTs))
    const one = { from: undefined, isDone: open.length === 0 }
    const isSearch = shelf === 'links' || words !== ''
    this.sources = isSearch ? [{ ...one, room: null, upTo: newest }] : open.map((room) => ({ ...one, room: room.id, upTo: room.lastTs }))
  }

  get isWhole(): boolean {
    return this.sources.every((source) => source.isDone)
  }

  /** What this device has, and the first of what the server has. */
  async begin(): Promise<void> {
    const holds = this.words ? searcher(this.words) : () => true
    for (const room of this.rooms) {
      const kept = await this.reads.kept(room.id)
      if (this.isEnded) return
      this.add(kept.filter(holds))
    }
    this.tell()
    await this.more()
  }

  /** Nobody looks any more. */
  end(): void {
    this.isEnded = true
  }

  /** Everything newer than this moment is to be known. */
  need(ts: number): void {
    this.goal = Math.min(this.goal, ts)
    void this.go(() => settledAt(this.sources) <= this.goal)
  }

  /** Some more at the end. */
  more(): Promise<void> {
    const wanted = this.settled() + MORE
    return this.go(() => this.settled() >= wanted)
  }

  /** How many things are newer than what is still unread. */
  private settled(): number {
    const settled = settledAt(this.sources)
    return this.things.filter((thing) => thing.ts >= settled).length
  }

  /** One after the other: two would ask for the same pages. */
  private go(isEnough: () => boolean): Promise<void> {
    this.run = this.run.then(() => this.pages(isEnough))
    return this.run
  }

  private async pages(isEnough: () => boolean): Promise<void> {
    if (this.isWhole || isEnough()) return
    this.become('loading')
    try {
      for (let page = 0; page < PAGES_MAX && !this.isEnded && !this.isWhole && !isEnough(); page++) await this.page(nextOf(this.sources)!)
      this.become('idle')
    } catch {
      this.become('cut')
    }
  }

  private async page(source: Source): Promise<void> {
    const page = await this.ask(source)
    if (this.isEnded) return
    this.sources = this.sources.map((one) => (one === source ? read(source, page) : one))
    this.add(page.chunk.map((event) => entryOf(event, event.room_id ?? source.room ?? '', 0)))
    this.tell()
  }

  /** A room that the server shows no more has nothing for us. */
  private async ask({ room, from }: Source): Promise<{ chunk: RawEvent[]; end?: string }> {
    try {
      if (room !== null) return await this.reads.files(room, from)
      const words = this.shelf === 'links' ? `${this.words} ${LINK}`.trim() : this.words
      return await this.reads.find(words, this.rooms.map((one) => one.id), from)
    } catch (error) {
      if (error instanceof Refused && error.retryAfterMs === undefined && error.status < 500) return { chunk: [] }
      throw error
    }
  }

  private add(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (this.ignored.includes(entry.sender)) continue
      for (const thing of thingsOf(entry, this.shelf)) if (!this.found.has(thing.key)) this.found.set(thing.key, thing)
    }
  }

  private become(state: Gathering['state']): void {
    this.state = state
    this.tell()
  }

  private tell(): void {
    if (this.isEnded) return
    this.things = newestFirst(this.found.values())
    this.onChange()
  }
}
