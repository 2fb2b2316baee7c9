import 'fake-indexeddb/auto'
import { beforeEach, expect, test, vi } from 'vitest'
import { emptyRoom, readJoined } from '../src/data/arrival'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { Thrift } from '../src/data/thrift'
import { RoomWindow } from '../src/data/window'
import type { Matrix, RawEvent } from '../src/net/matrix'

const event = (room: string, at: number): RawEvent => ({ event_id: `${room} ${at}`, type: 'm.room.message', sender: '@a:b', origin_server_ts: at, content: { body: String(at) } })
let database: Database

beforeEach(async () => {
  database?.close()
  await deleteDatabase()
  database = await openDatabase(() => {})
  for (const [id, from] of [['!old', 100], ['!new', 300], ['!middle', 200]] as const) {
    const events = Array.from({ length: 10 }, (_, at) => event(id, from + at))
    const { room, entries } = readJoined(emptyRoom(id), { timeline: { events, limited: true, prev_batch: 'older' } })
    await database.put('rooms', room)
    for (const entry of entries) await database.put('entries', entry)
  }
  await database.put('rooms', { ...emptyRoom('!gone'), membership: 'leave' })
  await database.put('facts', 's42', 'since')
})

const kept = async () => [...new Set((await database.getAll('entries')).map((entry) => entry.room))].toSorted()

test('photos go first', async () => {
  await database.put('media', { name: 'photo', bytes: 1, used: 1 })
  const giveWay = vi.fn(async () => void (await database.clear('media')))
  const thrift = new Thrift(database, { giveWay })
  expect(await thrift.makeRoom()).toEqual([])
  expect([giveWay.mock.calls.length, await kept()]).toEqual([1, ['!middle', '!new', '!old']])
})

test('then what was said longest ago, and it is there again when somebody looks', async () => {
  const thrift = new Thrift(database, { giveWay: async () => {} })
  const [rooms, same] = await Promise.all([thrift.makeRoom(), thrift.makeRoom()])
  expect([rooms.map((room) => room.id), same === rooms, await kept()]).toEqual([['!old', '!middle'], true, ['!new']])
  expect([await thrift.makeRoom(), await kept()]).toEqual([[], ['!new']]) // not all at once, which may help nothing
  expect(rooms[0]).toMatchObject({ last: { id: '!old 109' }, lastTs: 109 })

  const messages = vi.fn(async () => ({ chunk: Array.from({ length: 10 }, (_, at) => event('!old', 109 - at)) }))
  const window = new RoomWindow('!old', database, { messages } as unknown as Matrix, () => {})
  await window.open(undefined)
  await window.older()
  expect(messages.mock.calls[0]).toEqual(['!old', 's42', 60])
  expect(window.entries.map((entry) => entry.ts)).toEqual(Array.from({ length: 10 }, (_, at) => 100 + at))
})

test('what comes next goes on from there', async () => {
  const [room] = await new Thrift(database, { giveWay: async () => {} }).makeRoom()
  const next = readJoined(room!, { timeline: { events: [event('!old', 110)], limited: false } })
  expect(next.room.stretches).toEqual(room!.stretches)
  expect(next.entries[0]!.order).toBeGreaterThan(room!.stretches[0]!.oldest)
})
