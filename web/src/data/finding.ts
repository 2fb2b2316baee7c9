import { Refused, Unreachable } from '../net/errors'
import type { Matrix, RawEvent } from '../net/matrix'
import { asItReads } from './arrival'
import { kept } from './window'
import type { Database } from './database'
import { searcher } from './drawer'
import type { Entry, Room } from './types'

const KEPT_MAX = 100 // of what this device has seen; the server has the rest

/** What this device has seen in some rooms. */
export async function findKept(database: Database, rooms: readonly Room[], words: string): Promise<Entry[]> {
  const found: Entry[] = []
  const isWanted = searcher(words)
  for (const room of rooms) found.push(...(await kept(database, room.id)).filter(isWanted).slice(0, KEPT_MAX))
  return together(found, []).slice(0, KEPT_MAX)
}

/** Each once, newest first. */
export function together(some: readonly Entry[], others: readonly Entry[]): Entry[] {
  const all = new Map([...others, ...some].map((entry) => [entry.id, entry]))
  return [...all.values()].toSorted((left, right) => right.ts - left.ts)
}

/** What the server found, as it reads now; nothing of rooms that this device does not know. */
export function foundIn(events: readonly RawEvent[], knows: (room: string) => boolean): Entry[] {
  const all = events.flatMap((event) => {
    const { room_id: room } = event as { room_id?: string }
    return room !== undefined && knows(room) ? [asItReads(event, room, 0)] : []
  })
  return all.filter((entry) => !entry.redacted)
}

/** The server's answer, or undefined when none answers. */
export async function ask(matrix: Matrix, words: string, room: string | undefined, from: string | undefined): Promise<{ chunk: RawEvent[]; end?: string } | undefined> {
  try {
    return await matrix.find(words, room === undefined ? undefined : [room], from)
  } catch (error) {
    if (error instanceof Unreachable || (error instanceof Refused && error.retryAfterMs !== undefined)) return undefined
    throw error
  }
}
