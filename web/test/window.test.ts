import 'fake-indexeddb/auto'
import { beforeEach, expect, test, vi } from 'vitest'
import { emptyRoom, readJoined } from '../src/data/arrival'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { newItem } from '../src/data/outbox'
import type { Room } from '../src/data/types'
import { RoomWindow } from '../src/data/window'
import { Unreachable } from '../src/net/errors'
import type { Matrix, RawEvent } from '../src/net/matrix'

const ROOM = '!room:example.org'
let database: Database
let room: Room

const event = (at: number): RawEvent => ({ event_id: `$${at}`, type: 'm.room.message', sender: '@a:b', origin_server_ts: at, content: { body: String(at) } })
const events = (from: number, to: number): RawEvent[] => Array.from({ length: to - from }, (_, at) => event(from + at))

/** A server that knows events 0 to 99; a token is the number below which it answers. */
const server = { messages: vi.fn() }
const reach = (online: boolean) =>
  server.messages.mockImplementation(async (_room: string, from: string, limit: number) => {
    if (!online) throw new Unreachable('')
    const below = Number(from)
    const low = Math.max(0, below - limit)
    return { chunk: events(low, below).reverse(), ...(low > 0 && { end: String(low) }) }
  })

async function arrive(list: RawEvent[], limited: boolean): Promise<void> {
  const joined = readJoined(room, { timeline: { events: list, limited, prev_batch: list[0]!.event_id!.slice(1) } })
  room = joined.room
  await database.put('rooms', room)
  for (const entry of joined.entries) await database.put('entries', entry)
}

const window = () => new RoomWindow(ROOM, database, server as unknown as Matrix, (grown) => (room = grown))
const ids = (open: RoomWindow) => open.entries.map((entry) => Number(entry.id.slice(1)))
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at)

beforeEach(async () => {
  database?.close()
  await deleteDatabase()
  database = await openDatabase(() => {})
  room = emptyRoom(ROOM)
  server.messages.mockReset()
  reach(true)
  await arrive(events(10, 20), true)
})

test('goes back to the beginning, each event once', async () => {
  const open = window()
  await open.open(undefined)
  while (await open.older());
  expect(ids(open)).toEqual(numbers(0, 20))
  expect(open.isStart).toBe(true)
})

test('what arrives while a room is being opened is there once, and hides nothing', async () => {
  await arrive(events(20, 21), false)
  const [older, fresh] = [(await database.get('entries', '$12'))!, (await database.get('entries', '$20'))!]
  const open = window()
  const opening = open.open(undefined)
  open.apply([fresh, { ...older, content: { body: '열림' } }]) // the older one could be read only now
  await opening
  expect(ids(open)).toEqual(numbers(10, 21))
  expect(open.entries[2]?.content.body).toBe('열림')
})

test('two who go back at once find each message once', async () => {
  await arrive(events(20, 90), false)
  const open = window()
  await Promise.all([open.open('$0'), open.older()])
  expect(ids(open)).toEqual(expect.arrayContaining(numbers(30, 90)))
  expect(new Set(ids(open)).size).toBe(ids(open).length)
  expect(ids(open)).toEqual(ids(open).toSorted((left, right) => left - right))
})

test('what a sync left out is fetched without being asked for', async () => {
  await arrive(events(90, 100), true)
  const open = window()
  await open.open(undefined)
  await vi.waitFor(() => expect(ids(open)).toEqual(numbers(10, 100)))
})

test('offline the hole is passed over, and filled when there is a network again', async () => {
  reach(false)
  await arrive(events(90, 100), true)
  const open = window()
  await open.open(undefined)
  await open.older()
  expect(ids(open)).toEqual([...numbers(10, 20), ...numbers(90, 100)])
  expect(open.isStart).toBe(false)
  reach(true)
  await open.older()
  await vi.waitFor(() => expect(ids(open)).toEqual(numbers(0, 100)))
})

test('an event that is kept is reached however far back it is', async () => {
  await arrive(events(20, 100), false)
  const open = window()
  await open.open(undefined)
  expect(await open.reach('$11')).toBe(true)
  expect(await open.reach('$nowhere')).toBe(false)
})

test('what an older page brings takes its item out of the outbox', async () => {
  const item = newItem({ room: ROOM, type: 'm.room.message', content: {} }, 0)
  await database.put('outbox', { ...item, eventId: '$7' })
  const told = vi.fn()
  const open = new RoomWindow(ROOM, database, server as unknown as Matrix, (_room, _entries, hasArrived) => told(hasArrived))
  await open.open(undefined)
  while (await open.older());
  expect(await database.getAll('outbox')).toEqual([])
  expect(told).toHaveBeenCalledWith(true)
})
