import { Refused } from '../net/errors'
import type { Matrix } from '../net/matrix'
import { asItReads } from './arrival'
import type { Database } from './database'
import type { Shelf } from './drawer'
import type { Encryption } from './encryption'
import { ask, findKept, foundIn } from './finding'
import { Gathering, type Reads } from './gathering'
import type { Known } from './known'
import { ThreadWindow } from './threadWindow'
import type { Entry, Room } from './types'
import { Visit, type Present } from './visit'
import { kept } from './window'

/** What was said: found again, gathered, looked up, here and at the server. */
export class Past {
  constructor(
    private readonly known: Known,
    private readonly database: Database,
    private readonly matrix: Matrix,
    private readonly encryption: Pick<Encryption, 'openEach'>,
  ) {}

  /** What was sent in some rooms; onChange: there is more of it. */
  gather(rooms: readonly Room[], shelf: Shelf, words: string, onChange: () => void): Gathering {
    const reads: Reads = {
      kept: (room) => kept(this.database, room),
      files: (room, from) => this.matrix.files(room, from),
      find: (wanted, among, from) => this.matrix.find(wanted, among, from),
    }
    return new Gathering(reads, rooms, shelf, words, this.known.account.ignored, onChange)
  }

  /** What this device has seen; without a room, in all of them. */
  findHere(words: string, room?: Room): Promise<Entry[]> {
    return findKept(this.database, room ? [room] : this.known.rooms().filter(({ membership }) => membership === 'join'), words)
  }

  /** What the server has, newest first, and where it goes on; undefined when no server answers. */
  async findThere(words: string, room?: string, from?: string): Promise<{ entries: Entry[]; next?: string } | undefined> {
    const page = await ask(this.matrix, words, room, from)
    const isHere = (id: string) => this.known.room(id)?.membership === 'join'
    return page && { entries: foundIn(page.chunk, isHere), ...(page.end !== undefined && { next: page.end }) }
  }

  async visit(room: string, event: string, present: Present): Promise<Visit> {
    const visit = new Visit(room, this.matrix, present, (events) => this.encryption.openEach(room, events))
    await visit.open(event)
    return visit
  }

  openThread(room: string, root: string): ThreadWindow {
    return new ThreadWindow(room, root, this.database, this.matrix, (events) => this.encryption.openEach(room, events))
  }

  /** One event as it reads now: from the disk, else from the server. */
  async lookUp(room: string, event: string): Promise<Entry> {
    const here = (await kept(this.database, room)).find((entry) => entry.id === event) ?? (await this.database.get('entries', event))
    if (here) return here
    const told = await this.matrix.event(room, event)
    await this.encryption.openEach(room, [told])
    return asItReads(told, room, 0)
  }

  /** The first event at or after a moment; after the last one, the last. */
  async eventAt(room: string, ts: number): Promise<string> {
    const after = await this.matrix.eventAt(room, ts, 'f').catch((error) => {
      if (error instanceof Refused && error.code === 'M_NOT_FOUND') return undefined
      throw error
    })
    return (after ?? (await this.matrix.eventAt(room, ts, 'b'))).event_id
  }
}
