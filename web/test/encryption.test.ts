import 'fake-indexeddb/auto'
import { beforeEach, expect, test, vi } from 'vitest'
import type { Change } from '../src/data/arrival'
import type { Outside } from '../src/data/crypto/keeper'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { Encryption, type House } from '../src/data/encryption'
import type { Entry, Item, Room } from '../src/data/types'
import { deferred } from '../src/net/deferred'
import type { KeyNews, Matrix, Opened, RawEvent, SyncReply } from '../src/net/matrix'

/** The keeper is fetched, and needs a program that is larger than all the rest; here it is one that notes what it is given. */
const kept = vi.hoisted(() => ({ open: (_: unknown): Promise<unknown> => Promise.reject(new Error('not fetched')) }))
vi.mock('../src/data/crypto/keeper', () => ({ Keeper: { open: (outside: unknown) => kept.open(outside) } }))
vi.stubGlobal('navigator', { locks: {} })

const ROOM = '!room:example.org'
let database: Database
let changes: Change[]
let outside: Outside
let taken: KeyNews[]
let keys: Set<string>
let heard: (string | undefined)[]

const house = (): House => ({
  session: () => ({ user: '@me:example.org', device: 'DEVICE', token: '' }),
  room: () => undefined,
  isLeader: () => true,
  leads: () => Promise.resolve(true),
  tell: () => {},
  ask: () => {},
  changed: (change) => void changes.push(change),
  emit: () => {},
})
const keeper = (take = async (news: KeyNews) => void taken.push(news)) => ({
  take,
  openAll: async (reply: { rooms?: SyncReply['rooms'] }) => {
    for (const { timeline } of Object.values(reply.rooms?.join ?? {})) heard.push(...(timeline?.events ?? []).map((event) => event.event_id))
  },
  open: async (_: string, event: { content: { session_id?: string } }): Promise<Opened> =>
    keys.has(event.content.session_id ?? '') ? { type: 'm.room.message', content: { body: '열림' } } : { why: 'missing' },
})
const fetched = (made: object) => (kept.open = async (given) => ((outside = given as Outside), made))
const reply = (message: string): SyncReply => ({ next_batch: 's1', to_device: { events: [{ type: message }] } })
const request: RawEvent = { event_id: '$asks', type: 'm.room.message', sender: '@her:example.org', origin_server_ts: 1, content: { msgtype: 'm.key.verification.request' } }
const sealed = (id: string, session: string): Entry => ({
  id,
  room: ROOM,
  order: 1,
  type: 'm.room.encrypted',
  sender: '@her:example.org',
  content: {},
  ts: 1,
  sealed: { session, event: { type: 'm.room.encrypted', sender: '@her:example.org', origin_server_ts: 1, content: { session_id: session } } },
})
const waiting = async () => (await database.getAllKeys('facts', IDBKeyRange.bound('inbox ', 'inbox \uffff'))).length

beforeEach(async () => {
  database?.close()
  await deleteDatabase()
  database = await openDatabase(() => {})
  await database.put('facts', new Uint8Array(32), 'secret of the keys')
  ;[changes, taken, keys, heard] = [[], [], new Set(), []]
})

async function remembered(): Promise<Encryption> {
  const encryption = new Encryption(database, {} as Matrix, house())
  await encryption.remember()
  return encryption
}

test('what is told once waits on disk while the keeper is being fetched, and is read in order', async () => {
  const coming = deferred<object>()
  kept.open = () => coming.promise
  const encryption = await remembered()
  for (const message of ['one', 'two']) await encryption.decrypt(reply(message))
  expect([await waiting(), taken.length]).toEqual([2, 0])
  coming.resolve(keeper())
  await vi.waitFor(async () => expect(await waiting()).toBe(0))
  expect(taken.map((news) => news.to_device?.events[0]?.['type'])).toEqual(['one', 'two'])
  await vi.waitFor(async () => {
    await encryption.decrypt(reply('three'))
    expect(taken.length).toBeGreaterThan(2)
  })
})

test('keys that another tab made, which led, are not forgotten when this one leads', async () => {
  await database.delete('facts', 'secret of the keys')
  const encryption = await remembered()
  await database.put('facts', new Uint8Array(32), 'secret of the keys') // the other tab opened an encrypted room, and closed
  kept.open = () => new Promise(() => {})
  await encryption.decrypt(reply('the key of a room'))
  expect([encryption.isUsed, await waiting()]).toEqual([true, 1])
})

test('keys of sessions that ended unseen do not stay', async () => {
  for (const name of ['bongsu-keys-OLD::matrix-sdk-crypto', 'bongsu-left']) indexedDB.open(name).onsuccess = (event) => (event.target as IDBOpenDBRequest).result.close()
  const names = async () => (await indexedDB.databases()).map(({ name }) => name).filter((name) => name !== 'bongsu')
  await vi.waitFor(async () => expect(await names()).toHaveLength(2))
  await new Encryption(database, {} as Matrix, house()).sweep()
  await vi.waitFor(async () => expect(await names()).toEqual(['bongsu-left']))
})

test('it outlives the page, and a fetch that failed', async () => {
  const open = vi.fn(() => Promise.reject(new Error('no network')))
  kept.open = open
  await (await remembered()).decrypt(reply('one'))
  await vi.waitFor(() => expect(open).toHaveBeenCalled())
  expect(await waiting()).toBe(1)
  fetched(keeper())
  await (await remembered()).decrypt(reply('two'))
  await vi.waitFor(() => expect(taken.map((news) => news.to_device?.events[0]?.['type'])).toEqual(['one', 'two']))
})

test('somebody who asks to be verified meanwhile is heard', async () => {
  fetched(keeper())
  const other: RawEvent = { ...request, event_id: '$said', content: { msgtype: 'm.text', body: '말' } }
  await (await remembered()).decrypt({ next_batch: 's1', rooms: { join: { [ROOM]: { timeline: { events: [other, request] } } } } })
  await vi.waitFor(() => expect(heard).toEqual(['$asks']))
})

test('a sync that tells nothing of keys fetches nothing', async () => {
  const open = vi.fn(kept.open)
  kept.open = open
  const counts = { device_one_time_keys_count: { signed_curve25519: 50 }, device_unused_fallback_key_types: ['signed_curve25519'] }
  await (await remembered()).decrypt({ next_batch: 's1', ...counts })
  expect(open).not.toHaveBeenCalled()
})

test('what cannot be read at all is given up, and holds up nothing else', async () => {
  fetched(keeper(async (news) => (news.to_device?.events[0]?.['type'] === 'bad' ? Promise.reject(new Error('bad')) : void taken.push(news))))
  for (let page = 0; page < 3; page++) {
    await (await remembered()).decrypt(reply(page === 0 ? 'bad' : `good ${page}`))
    await vi.waitFor(() => expect(taken.length).toBeGreaterThanOrEqual(page))
  }
  await vi.waitFor(async () => expect(await waiting()).toBe(0))
})

test('a message is read when its key comes, and stays redacted if it was redacted meanwhile', async () => {
  fetched(keeper())
  for (const entry of [sealed('$late', 'a'), sealed('$gone', 'a'), sealed('$other', 'b')]) await database.put('entries', entry)
  const encryption = await remembered()
  encryption.noticed({ rooms: [], entries: [sealed('$late', 'a'), sealed('$gone', 'a'), sealed('$other', 'b')] })
  await vi.waitFor(async () => expect((await database.get('entries', '$late'))?.sealed?.why).toBe('missing'))
  const { sealed: _, ...gone } = (await database.get('entries', '$gone'))!
  await database.put('entries', { ...gone, content: {}, redacted: true })
  keys.add('a')
  outside.onKeys(['a'])
  await vi.waitFor(async () => expect(await database.get('entries', '$late')).toMatchObject({ type: 'm.room.message', opened: true, content: { body: '열림' } }))
  expect(await database.get('entries', '$gone')).toMatchObject({ redacted: true, content: {} })
  expect((await database.get('entries', '$other'))?.sealed?.why).toBe('missing')
  expect(changes.at(-1)?.entries.map((entry) => entry.id)).toEqual(['$late'])
})

test('a tab that leads no more, and does not know yet, touches no keys', async () => {
  const open = vi.fn(async () => keeper())
  kept.open = open
  const encryption = new Encryption(database, {} as Matrix, { ...house(), room: () => ({ encrypted: true }) as Room, leads: () => Promise.resolve(false) })
  await encryption.remember()
  await expect(encryption.decrypt(reply('one'))).rejects.toThrow('another tab leads')
  await expect(encryption.seal({ room: ROOM, type: 'm.room.message', content: {} } as Item)).rejects.toThrow('another tab leads')
  expect([await waiting(), taken, open.mock.calls]).toEqual([0, [], []])
})
