import 'fake-indexeddb/auto'
import { beforeEach, expect, test, vi } from 'vitest'
import { entryOf } from '../src/data/arrival'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { ThreadWindow } from '../src/data/threadWindow'
import { threadRelation } from '../src/data/threads'
import { Visit } from '../src/data/visit'
import { Unreachable } from '../src/net/errors'
import type { Matrix, RawEvent } from '../src/net/matrix'

const ROOM = '!room:example.org'
const event = (at: number, more: Partial<RawEvent> = {}): RawEvent => ({ event_id: `$${at}`, type: 'm.room.message', sender: '@a:b', origin_server_ts: at, content: { body: String(at) }, ...more })
const events = (from: number, to: number): RawEvent[] => Array.from({ length: Math.max(0, to - from) }, (_, at) => event(from + at))
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at)
const numbersOf = (entries: readonly { id: string }[]) => entries.map((entry) => Number(entry.id.slice(1)))

/** A server that knows events 0 to 299; a token is a number: what is before it, or from it on. */
const END = 300
const server = {
  context: vi.fn(async (_room: string, id: string, limit: number) => {
    const at = Number(id.slice(1))
    const [low, high] = [Math.max(0, at - limit / 2), Math.min(END, at + 1 + limit / 2)]
    return { event: event(at), events_before: events(low, at).reverse(), events_after: events(at + 1, high), start: String(low), end: String(high) }
  }),
  messages: vi.fn(async (_room: string, from: string, limit: number, dir: 'b' | 'f' = 'b') => {
    const at = Number(from)
    if (dir === 'f') return { chunk: events(at, Math.min(END, at + limit)), ...(at + limit < END && { end: String(at + limit) }) }
    const low = Math.max(0, at - limit)
    return { chunk: events(low, at).reverse(), ...(low > 0 && { end: String(low) }) }
  }),
  relations: vi.fn(async (): Promise<{ chunk: RawEvent[]; next_batch?: string }> => ({ chunk: [] })),
  event: vi.fn(async (_room: string, id: string) => event(Number(id.slice(1)))),
}
const matrix = server as unknown as Matrix
const present = (from: number) => {
  const entries = events(from, END).map((raw, at) => entryOf(raw, ROOM, 2 ** 27 + at))
  return { entries, has: (id: string) => entries.some((entry) => entry.id === id) }
}

let database: Database
beforeEach(async () => {
  database?.close()
  await deleteDatabase()
  database = await openDatabase(() => {})
  server.relations.mockReset().mockResolvedValue({ chunk: [] })
})

test('a visit goes on in both directions, to the beginning and into the present, each event once', async () => {
  const visit = new Visit(ROOM, matrix, present(280))
  await visit.open('$100')
  expect(numbersOf(visit.entries)).toEqual(numbers(70, 131))
  while (await visit.older());
  while (!visit.hasMet) await visit.newer()
  expect(numbersOf(visit.entries)).toEqual(numbers(0, END))
  expect([visit.isStart, visit.has('$299'), await visit.newer()]).toEqual([true, true, false])
  const orders = visit.entries.map((entry) => entry.order)
  expect(orders).toEqual(orders.toSorted((left, right) => left - right))
})

test('a visit next to the present meets it at once', async () => {
  const visit = new Visit(ROOM, matrix, present(110))
  await visit.open('$100')
  expect(visit.hasMet).toBe(true)
  expect(numbersOf(visit.entries)).toEqual(numbers(70, END))
})

test('a visit learns how a poll of that time went on', async () => {
  const response = event(900, { type: 'm.poll.response', content: { 'm.selections': ['a'], 'm.relates_to': { rel_type: 'm.reference', event_id: '$100' } } })
  server.context.mockImplementationOnce(async () => ({ event: event(100, { type: 'm.poll.start' }), events_before: [], events_after: [], start: '100', end: '101' }))
  server.relations.mockResolvedValueOnce({ chunk: [response] })
  const visit = new Visit(ROOM, matrix, present(280))
  await visit.open('$100')
  expect(visit.also.map((entry) => entry.id)).toEqual(['$900'])
})

const inThread = (at: number) => event(at, { content: { body: String(at), 'm.relates_to': threadRelation('$1', '$1') } })

test('a thread is what this device has seen of it, and what the server adds', async () => {
  for (const raw of [event(50), inThread(60), event(61)]) await database.put('entries', entryOf(raw, ROOM, raw.origin_server_ts))
  server.relations.mockResolvedValueOnce({ chunk: [inThread(60)], next_batch: 'more' }).mockResolvedValueOnce({ chunk: [inThread(30), inThread(20)] })
  const thread = new ThreadWindow(ROOM, '$1', database, matrix)
  const seen: number[][] = []
  await thread.open(() => seen.push(numbersOf(thread.entries)))
  expect(seen).toEqual([[60], [1, 20, 30, 60]])
  expect(thread.isWhole).toBe(true)
})

test('without a network a thread shows what was seen, and what arrives', async () => {
  server.relations.mockRejectedValueOnce(new Unreachable(''))
  for (const raw of [event(1), inThread(2)]) await database.put('entries', entryOf(raw, ROOM, raw.origin_server_ts))
  const thread = new ThreadWindow(ROOM, '$1', database, matrix)
  await thread.open(() => {})
  await database.put('entries', entryOf(inThread(3), ROOM, 3))
  await thread.read()
  expect(numbersOf(thread.entries)).toEqual([1, 2, 3])
})
