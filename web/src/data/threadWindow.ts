import { Refused, Unreachable } from '../net/errors'
import type { Matrix } from '../net/matrix'
import { entryOf } from './arrival'
import { roomRange, type Database } from './database'
import { conversationOf, inOrder } from './threads'
import type { Entry, Room } from './types'
import type { Read } from './visit'

const PAGE = 200
const PAGES_MAX = 10

/** One thread in memory: its first message, what was said in it, and what was said about that. */
export class ThreadWindow {
  entries: Entry[] = []
  /** Places of the events that people have read up to. */
  places: ReadonlyMap<string, number> = new Map()
  /** everything of it is here */
  isWhole = false
  private told: Entry[] = []

  constructor(
    readonly room: string,
    readonly root: string,
    private readonly database: Database,
    private readonly matrix: Matrix,
    private readonly show: Read = async () => {},
  ) {}

  /** What this device has seen; then, if a server answers, the rest. onChange: after each. */
  async open(onChange: () => void): Promise<void> {
    await this.read()
    onChange()
    try {
      this.told = await this.ask()
    } catch (error) {
      if (error instanceof Unreachable || error instanceof Refused) return
      throw error
    }
    await this.read()
    onChange()
  }

  /** Again from the disk, after something arrived. */
  async read(): Promise<void> {
    const all = await this.database.getAllFromIndex('entries', 'place', roomRange(this.room))
    this.entries = inOrder(this.told, about(all, this.root))
    await this.place(await this.database.get('rooms', this.room))
  }

  private async ask(): Promise<Entry[]> {
    const pages: Entry[] = []
    let from: string | undefined
    for (let page = 0; page < PAGES_MAX; page++) {
      const { chunk, next_batch: next } = await this.matrix.relations(this.room, this.root, PAGE, from)
      await this.show(chunk)
      pages.push(...chunk.map((raw) => entryOf(raw, this.room, 0)))
      from = next
      if (next === undefined) break
    }
    this.isWhole = from === undefined
    const first = await this.matrix.event(this.room, this.root)
    await this.show([first])
    return [entryOf(first, this.room, 0), ...pages.reverse()]
  }

  private async place(room: Room | undefined): Promise<void> {
    const receipts = [room?.receiptsIn[''], room?.receiptsIn[this.root]].flatMap((one) => Object.values(one ?? {}))
    const places = new Map<string, number>()
    for (const event of new Set(receipts)) {
      const entry = await this.database.get('entries', event)
      if (entry) places.set(event, entry.order)
    }
    this.places = places
  }
}

/** Of a room's entries those that belong to a thread: its messages, and edits, reactions and redactions of them. */
export function about(all: readonly Entry[], root: string): Entry[] {
  const said = new Set([root])
  for (const entry of all) if (conversationOf(entry) === root) said.add(entry.id)
  const isAbout = ({ id, redacts, content }: Entry) => said.has(id) || said.has(redacts ?? '') || said.has(content['m.relates_to']?.event_id ?? '')
  return all.filter(isAbout)
}
