import 'fake-indexeddb/auto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { afterError, Intents, ready, STALE, STALE_MS, type Intent, type IntentDraft } from '../src/data/intents'
import { deferred } from '../src/net/deferred'
import { Refused, Unreachable } from '../src/net/errors'
import type { Matrix } from '../src/net/matrix'

const draft = (lane: string, path = '/x'): IntentDraft => ({ lane, what: 'POST /x', method: 'POST', path, body: { a: 1 } })
const intent = (lane: string, seq: number, more: Partial<Intent> = {}): Intent => ({
  ...draft(lane),
  key: `k${seq}`,
  seq,
  at: 0,
  tries: 0,
  notBefore: 0,
  state: 'queued',
  ...more,
})

describe('one intent', () => {
  test('silence and a crowd keep it and its key; a refusal says why', () => {
    const one = intent('a', 1)
    expect(afterError(one, new Unreachable(''), 1_000, 0.5)).toMatchObject({ key: 'k1', state: 'queued', notBefore: 1_700, cannot: false })
    expect(afterError(one, new Refused(503, 'M_UNKNOWN', '', {}, 9_000), 0, 0.5)).toMatchObject({ state: 'queued', notBefore: 9_000, cannot: true })
    const refused = afterError(one, new Refused(409, 'BONGSU_BED_TAKEN', 'taken', { bed: 1 }), 0, 0.5)
    expect(refused).toMatchObject({ state: 'failed', error: { code: 'BONGSU_BED_TAKEN', message: 'taken', fields: { bed: 1 } } })
  })

  test('of each lane the first open one goes, and none overtakes one that waits', () => {
    const all = [intent('a', 2), intent('a', 1, { notBefore: 50 }), intent('b', 3), intent('c', 4, { state: 'failed' }), intent('c', 5, { state: 'sending' })]
    const { now, next } = ready(all, 10)
    expect([now.map((one) => one.key), next]).toEqual([['k3', 'k5'], 50])
    expect(ready(all, 60).now.map((one) => one.key)).toEqual(['k1', 'k3', 'k5'])
    expect(ready([], 0).next).toBe(Infinity)
  })
})

describe('on its way', () => {
  let database: Database
  let intents: Intents

  beforeEach(async () => {
    await deleteDatabase()
    database = await openDatabase(() => {})
  })
  afterEach(() => {
    intents.stop()
    database.close()
  })
  const through = (intend: (...asked: [string, string, unknown, string]) => Promise<unknown>): Intents => {
    intents = new Intents(database, { intend } as Pick<Matrix, 'intend'>, () => {})
    return intents
  }

  test('a page that is loaded anew in the middle sends the same key again, and the answer is kept', async () => {
    const hung = through(() => new Promise(() => {}))
    await hung.start()
    const key = await hung.put(draft('a'))
    await vi.waitFor(async () => expect((await hung.of('a'))[0]).toMatchObject({ state: 'sending', tries: 1 }))
    hung.stop()
    const keys: string[] = []
    const next = through((_method, _path, _body, sent) => (keys.push(sent), Promise.resolve({ booking_id: 'b1' })))
    await next.start()
    await vi.waitFor(async () => expect((await next.of('a'))[0]).toMatchObject({ state: 'done', answer: { booking_id: 'b1' } }))
    expect(keys).toEqual([key])
  })

  test('one after the other in a lane, beside each other in two', async () => {
    const asked: string[] = []
    const first = deferred<unknown>()
    const all = through((_method, path) => (asked.push(path), path === '/1' ? first.promise : Promise.resolve({})))
    await all.start()
    for (const [lane, path] of [['a', '/1'], ['a', '/2'], ['b', '/3']] as const) await all.put(draft(lane, path))
    await vi.waitFor(() => expect(asked).toEqual(['/1', '/3']))
    first.resolve({})
    await vi.waitFor(() => expect(asked).toEqual(['/1', '/3', '/2']))
  })

  test('what is taken away while it is sent does not come back; what was refused can be tried again', async () => {
    const hung = deferred<unknown>()
    const keys: string[] = []
    let refuses = true
    const all = through((_method, path, _body, key) => {
      keys.push(key)
      if (path === '/hangs') return hung.promise
      return refuses ? Promise.reject(new Refused(409, 'BONGSU_SOLD_OUT', '')) : Promise.resolve({})
    })
    await all.start()
    const gone = await all.put(draft('a', '/hangs'))
    await vi.waitFor(() => expect(keys).toEqual([gone]))
    await all.remove(gone)
    hung.resolve({})
    const key = await all.put(draft('b'))
    await vi.waitFor(async () => expect((await all.of('b'))[0]).toMatchObject({ state: 'failed' }))
    refuses = false
    await all.retry(key)
    await vi.waitFor(async () => expect((await all.of(''))).toMatchObject([{ key, state: 'done' }]))
    expect(keys).toEqual([gone, key, key])
  })

  test('what is older than a key is remembered is not sent any more', async () => {
    const asked = vi.fn(() => Promise.resolve({}))
    await database.put('intents', intent('a', 1, { at: Date.now() - STALE_MS - 1, tries: 3 }))
    const all = through(asked)
    await all.start()
    await vi.waitFor(async () => expect((await all.of('a'))[0]).toMatchObject({ state: 'failed', error: { code: STALE } }))
    expect(asked).not.toHaveBeenCalled()
  })
})

test('a browser that kept an older account gets a place for intents, and loses nothing that the server does not have', async () => {
  await deleteDatabase()
  const { openDB } = await import('idb')
  const before = await openDB('bongsu', 2, {
    upgrade(old) {
      old.createObjectStore('facts')
      old.createObjectStore('outbox', { keyPath: 'txn' }).createIndex('place', ['room', 'seq'])
      old.createObjectStore('rooms', { keyPath: 'id' })
      old.createObjectStore('entries', { keyPath: 'id' }).createIndex('place', ['room', 'order'])
      old.createObjectStore('media', { keyPath: 'name' })
    },
  })
  await before.put('rooms', { id: '!a' })
  await before.put('outbox', { txn: 't', room: '!a', seq: 1 })
  await before.put('facts', 'since', 'since')
  await before.put('facts', 'me', 'session')
  before.close()
  const database = await openDatabase(() => {})
  expect([await database.getAllKeys('outbox'), await database.getAllKeys('facts'), await database.getAllKeys('rooms')]).toEqual([['t'], ['session'], []])
  expect(await database.getAll('intents')).toEqual([])
  database.close()
})
