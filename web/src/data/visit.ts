import type { Matrix, RawEvent } from '../net/matrix'
import { asItReads, entryOf } from './arrival'
import { isPollStart } from './poll'
import type { Entry } from './types'

const AROUND = 60
const PAGE = 60
const VOTES_MAX = 200 // responses to one poll that are asked for

/** Puts beside encrypted events what they say. */
export type Read = (events: readonly RawEvent[]) => Promise<void>

/** A room's present: what a visit leads to. */
export interface Present {
  readonly entries: readonly Entry[]
  has(id: string): boolean
}

/**
 * A look at a place in a room's past that is not in memory: what stands around an event, and more of it in both
 * directions, until it meets the present. It is not kept on disk, for it has holes on both sides.
 */
export class Visit {
  isStart = false
  isLoading = false
  /** it reached what is in memory, and goes on with that */
  hasMet = false
  /** what was said about events of the visit */
  also: Entry[] = []
  private own: Entry[] = []
  private from: string | undefined
  private to: string | undefined

  constructor(
    readonly room: string,
    private readonly matrix: Matrix,
    private readonly present: Present,
    private readonly read: Read = async () => {},
  ) {}

  /** Goes there. Throws when the server cannot be asked, or shows no such event. */
  async open(event: string): Promise<void> {
    const told = await this.matrix.context(this.room, event, AROUND)
    this.from = told.start
    this.to = told.end
    const after = this.untilMet(told.events_after ?? [])
    const list = [...(told.events_before ?? []).toReversed(), told.event, ...after]
    await this.read(list)
    this.own = list.map((raw, at) => asItReads(raw, this.room, FIRST + at))
    await this.learnVotes(this.own)
  }

  get entries(): readonly Entry[] {
    return this.hasMet ? [...this.own, ...this.present.entries.slice(this.metAt())] : this.own
  }

  has(id: string): boolean {
    return this.own.some((entry) => entry.id === id) || (this.hasMet && this.present.has(id))
  }

  /** False: there is nothing older. */
  async older(): Promise<boolean> {
    if (this.isLoading || this.isStart || this.from === undefined) return false
    return this.load(async () => {
      const page = await this.matrix.messages(this.room, this.from!, PAGE)
      await this.read(page.chunk)
      this.from = page.end
      this.isStart = page.end === undefined
      const lowest = this.own[0]?.order ?? FIRST
      return this.add(page.chunk.map((raw, at) => asItReads(raw, this.room, lowest - 1 - at)).reverse(), 'before')
    })
  }

  async newer(): Promise<boolean> {
    if (this.isLoading || this.hasMet || this.to === undefined) return false
    return this.load(async () => {
      const page = await this.matrix.messages(this.room, this.to!, PAGE, 'f')
      const fresh = this.untilMet(page.chunk)
      await this.read(fresh)
      if (page.end === undefined || page.chunk.length === 0) this.hasMet = true
      this.to = page.end
      const highest = this.own.at(-1)?.order ?? FIRST
      return this.add(fresh.map((raw, at) => asItReads(raw, this.room, highest + 1 + at)), 'after')
    })
  }

  private async load(run: () => Promise<boolean>): Promise<boolean> {
    this.isLoading = true
    try {
      return await run()
    } finally {
      this.isLoading = false
    }
  }

  private async add(fresh: readonly Entry[], where: 'before' | 'after'): Promise<boolean> {
    this.own = where === 'before' ? [...fresh, ...this.own] : [...this.own, ...fresh]
    await this.learnVotes(fresh)
    return fresh.length > 0 || this.hasMet || this.isStart
  }

  /** What comes before the present begins. */
  private untilMet(events: readonly RawEvent[]): RawEvent[] {
    const met = events.findIndex((event) => this.present.has(event.event_id ?? ''))
    if (met < 0) return [...events]
    this.hasMet = true
    return events.slice(0, met)
  }

  /** Where the present goes on after the visit: what both have is shown once. */
  private metAt(): number {
    const own = new Set(this.own.map((entry) => entry.id))
    return this.present.entries.findLastIndex((entry) => own.has(entry.id)) + 1
  }

  /** Votes may be given long after a poll was asked; the server has them together. */
  private async learnVotes(fresh: readonly Entry[]): Promise<void> {
    for (const { id, type } of fresh) {
      if (!isPollStart(type)) continue
      const { chunk } = await this.matrix.relations(this.room, id, VOTES_MAX, undefined, 'm.reference').catch(() => ({ chunk: [] }))
      await this.read(chunk)
      this.also.push(...chunk.toReversed().map((raw, at) => entryOf(raw, this.room, LATER + at)))
    }
  }
}

/** Places below those of every stretch that is kept: 0 up to the first stretch's beginning. */
const FIRST = 2 ** 25
const LATER = 2 ** 26 - VOTES_MAX
