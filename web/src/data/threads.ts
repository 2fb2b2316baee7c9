import { previewOf } from './arrival'
import type { Entry, Preview, Room } from './types'

/** A thread from outside: how much was said in it, and what last. */
export interface Thread {
  count: number
  last: Preview
  unread: number
}

/** The thread that something was said in; undefined for the room itself. */
export function conversationOf(entry: Entry): string | undefined {
  if (entry.thread !== undefined) return entry.thread
  const { rel_type: kind, event_id: root } = entry.content['m.relates_to'] ?? {}
  return kind === 'm.thread' ? root : undefined
}

/**
 * The threads that begin with these entries. asItStands: null for what is gone. What the server counted holds where it knows more than is here: of a thread
 * that is here whole, redactions are known, too.
 */
export function threadSummaries(room: Room, entries: readonly Entry[], asItStands: (entry: Entry) => Entry | null): Map<string, Thread> {
  const said = new Map<string, Entry[]>()
  for (const entry of entries) {
    const root = conversationOf(entry)
    if (root !== undefined) said.set(root, [...(said.get(root) ?? []), entry])
  }
  const found = new Map<string, Thread>()
  for (const { id, answers } of entries) {
    const all = said.get(id) ?? []
    const standing = all.flatMap((entry) => asItStands(entry) ?? [])
    const isWhole = all.length >= (answers?.count ?? 0)
    const count = isWhole ? standing.length : answers!.count
    const last = standing.length > 0 ? previewOf(standing.at(-1)!) : answers?.last
    if (count > 0 && last) found.set(id, { count, last, unread: room.threads[id]?.unread ?? 0 })
  }
  return found
}

/** How an answer in a thread relates: to its first message, and for clients that know no threads to the last one. */
export function threadRelation(root: string, last: string, replyTo?: string): Record<string, unknown> {
  return { rel_type: 'm.thread', event_id: root, is_falling_back: replyTo === undefined, 'm.in_reply_to': { event_id: replyTo ?? last } }
}

const STEP = 2 ** -16 // between places in a room, which are whole numbers

/**
 * One thread's entries in order. told: its newest ones as the server has them, oldest first; kept: what this device has
 * seen of it, in the room's order. What the server alone knows gets a place just below what comes after it.
 */
export function inOrder(told: readonly Entry[], kept: readonly Entry[]): Entry[] {
  const known = new Map(kept.map((entry) => [entry.id, entry]))
  const names = new Set(told.map((entry) => entry.id))
  const rest = kept.filter((entry) => !names.has(entry.id))
  const top = Math.max(...told.map((entry) => known.get(entry.id)?.order ?? -Infinity))
  const placed: Entry[] = []
  let next = rest.find((entry) => entry.order > top)?.order ?? (kept.at(-1)?.order ?? 0) + 1
  for (const entry of told.toReversed()) {
    const here = known.get(entry.id)
    next = here?.order ?? next - STEP
    placed.push(here ?? { ...entry, order: next })
  }
  return [...placed, ...rest].toSorted((left, right) => left.order - right.order)
}
