import 'fake-indexeddb/auto'
import { beforeEach, expect, test, vi } from 'vitest'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { newItem } from '../src/data/outbox'
import { SyncEngine, type Listener } from '../src/data/sync'
import { NO_ACCOUNT, type Item } from '../src/data/types'
import { deferred } from '../src/net/deferred'
import type { Matrix, RawEvent, SyncReply } from '../src/net/matrix'

const ROOM = '!room:example.org'
let database: Database

beforeEach(async () => {
  database?.close()
  await deleteDatabase()
  database = await openDatabase(() => {})
})

const event = (id: string, txn?: string): RawEvent => ({
  event_id: id,
  type: 'm.room.message',
  sender: '@a:b',
  origin_server_ts: 1,
  content: { body: id },
  ...(txn && { unsigned: { transaction_id: txn } }),
})
const joined = (next: string, events: RawEvent[]): SyncReply => ({ next_batch: next, rooms: { join: { [ROOM]: { timeline: { events, prev_batch: 'p' } } } } })
const listener = () => ({ changed: vi.fn(), typing: vi.fn(), heard: vi.fn(), arrived: vi.fn(), failed: vi.fn() }) satisfies Listener

/** Follows a server that gives these replies, whatever it is asked, until the last one is on disk. */
async function follow(replies: SyncReply[], heard: Listener = listener()): Promise<void> {
  const left = [...replies]
  const sync = vi.fn(() => (left.length > 0 ? Promise.resolve(left.shift()!) : new Promise<SyncReply>(() => {})))
  const engine = new SyncEngine({ sync } as unknown as Matrix, database, { rooms: new Map(), account: NO_ACCOUNT }, heard)
  void engine.run()
  await vi.waitFor(() => expect(sync).toHaveBeenCalledTimes(replies.length + 1))
  engine.stop()
}

const ids = async () => (await database.getAllFromIndex('entries', 'place')).map((entry) => entry.id)

test('what came takes its item out of the outbox, and that is told', async () => {
  const item: Item = newItem({ room: ROOM, type: 'm.room.message', content: {} }, 0)
  await database.put('outbox', item)
  const heard = listener()
  await follow([joined('1', [event('$a', item.txn)])], heard)
  expect(await database.getAll('outbox')).toEqual([])
  expect(heard.arrived.mock.calls).toEqual([[ROOM]])
})

test('of two tabs that lead and got the same news, one writes them, and the order stays', async () => {
  await follow([joined('1', [event('$a')])])
  const answer = deferred<SyncReply>()
  const sync = vi.fn(() => (sync.mock.calls.length === 1 ? answer.promise : new Promise<SyncReply>(() => {})))
  const slow = new SyncEngine({ sync } as unknown as Matrix, database, { rooms: new Map(), account: NO_ACCOUNT }, listener())
  void slow.run()
  await vi.waitFor(() => expect(sync).toHaveBeenCalledTimes(1))
  await follow([joined('2', [event('$b')]), joined('3', [event('$c')])])
  answer.resolve(joined('2', [event('$b'), event('$late')]))
  await vi.waitFor(() => expect(sync).toHaveBeenCalledTimes(2))
  slow.stop()
  expect([await ids(), await database.get('facts', 'since')]).toEqual([['$a', '$b', '$c'], '3'])
})

test('nothing is kept of a room that was left, and one that is entered again begins anew', async () => {
  await follow([joined('1', [event('$a'), event('$b')]), { next_batch: '2', rooms: { leave: { [ROOM]: {} } } }])
  expect([await ids(), (await database.get('rooms', ROOM))?.stretches]).toEqual([[], []])
  await follow([{ next_batch: '3', rooms: { invite: { [ROOM]: {} } } }, joined('4', [event('$c'), event('$d')])])
  expect(await ids()).toEqual(['$c', '$d'])
  expect((await database.get('rooms', ROOM))?.stretches).toMatchObject([{ number: 1, from: 'p' }])
})

test('a full disk is no lost connection', async () => {
  const heard = listener()
  const engine = new SyncEngine({ sync: () => Promise.reject(new DOMException('', 'QuotaExceededError')) } as unknown as Matrix, database, { rooms: new Map(), account: NO_ACCOUNT }, heard)
  void engine.run()
  await vi.waitFor(() => expect(heard.failed).toHaveBeenCalledWith('full'))
  engine.stop()
})
