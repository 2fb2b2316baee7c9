import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { deleteDatabase, destroy, openDatabase, type Database } from '../src/data/database'
import { Doors, type Inside } from '../src/data/doors'
import { Drafts } from '../src/data/drafts'
import { Known } from '../src/data/known'
import { left } from '../src/data/left'
import { newItem, Outbox } from '../src/data/outbox'
import type { Session } from '../src/data/types'
import { Refused } from '../src/net/errors'
import { Matrix } from '../src/net/matrix'
import { Sites } from '../src/net/sites'

vi.stubGlobal('navigator', {})

const ME = '@me:example.org'
const ROOM = '!room:example.org'
const item = newItem({ room: ROOM, type: 'm.room.message', content: { body: '불' } }, 1)
let database: Database

beforeEach(async () => {
  database?.close()
  await deleteDatabase()
  database = await openDatabase(() => {})
  await left.drop(ME)
})

/** One tab. ends: what the server says to a logout; isOver: whether the session has ended, as far as sites know. */
function tab(session: Session | null = null, isOver = true) {
  const inside = { tell: vi.fn(), reload: vi.fn(), begin: vi.fn(async () => {}), stop: vi.fn(), clearMedia: vi.fn(async () => {}), forget: vi.fn(async () => {}), refused: vi.fn() } satisfies Inside
  const known = new Known(database, { tell: () => {} }, () => {})
  known.session = session
  const drafts = new Drafts(database, known, { tell: () => {} })
  let number = 0
  const matrix = {
    token: null as string | null,
    login: async (user: string) => ({ user_id: `@${user}:example.org`, device_id: `${user}${number++}`, access_token: `of ${user}` }),
    logout: vi.fn(async () => {}),
    deactivate: vi.fn(async () => {}),
    isOver: vi.fn(async () => isOver),
  }
  const outbox = new Outbox(database)
  return { doors: new Doors(known, database, matrix as unknown as Matrix, outbox, drafts, inside), inside, matrix, drafts, outbox }
}
const signedIn: Session = { user: ME, device: 'DEVICE', token: 'x' }
const sessionHere = async () => ((await database.get('facts', 'session')) as Session | undefined)?.user

describe('two tabs at the door', () => {
  test('one account comes in; the other session ends, and its tab shows whose browser it is', async () => {
    const [first, second] = [tab(), tab()]
    await first.doors.signIn('me', 'p', 'd')
    await second.doors.signIn('her', 'p', 'd')
    expect(await sessionHere()).toBe(ME)
    expect([first.inside.begin.mock.calls.length, second.inside.begin.mock.calls.length]).toEqual([1, 0])
    expect([second.matrix.logout.mock.calls.length, second.inside.reload.mock.calls.length, second.matrix.token]).toEqual([1, 1, null])
    expect(first.matrix.logout).not.toHaveBeenCalled()
  })

  test('who waits there is taken along', async () => {
    const [first, second] = [tab(), tab()]
    await first.doors.signIn('me', 'p', 'd')
    expect(first.inside.tell.mock.calls).toEqual([[{ kind: 'came' }]])
    second.doors.came()
    expect(second.inside.reload).toHaveBeenCalledTimes(1)
    const inside = tab(signedIn)
    inside.doors.came()
    expect(inside.inside.reload).not.toHaveBeenCalled()
  })
})

describe('signing out', () => {
  test('no other tab takes the end for an expulsion, which would keep what was written', async () => {
    const [leaves, leads] = [tab(signedIn), tab(signedIn)]
    await leads.drafts.keep(ROOM, '쓰던 글')
    leaves.inside.tell.mockImplementation((told) => told.kind === 'leaving' && leads.doors.setLeaving(told.is))
    leaves.matrix.logout.mockImplementation(() => leads.doors.expel()) // the leader's sync is refused at once
    await leaves.doors.signOut()
    expect(await left.of(ME)).toEqual({ items: [], intents: [], drafts: new Map() })
    expect(leaves.inside.forget).toHaveBeenCalledTimes(1)
    expect(leads.inside.forget).not.toHaveBeenCalled()
  })

  test('does not wait for a server that does not answer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    const { doors, matrix, inside } = tab(signedIn)
    matrix.logout.mockReturnValue(new Promise(() => {}))
    const going = doors.signOut()
    await vi.waitFor(() => expect(matrix.logout).toHaveBeenCalled())
    await vi.advanceTimersByTimeAsync(4_000)
    await going
    vi.useRealTimers()
    expect(inside.forget).toHaveBeenCalledTimes(1)
  })

  test('who may not leave stays, in every tab', async () => {
    const [stays, leads] = [tab(signedIn), tab(signedIn)]
    stays.inside.tell.mockImplementation((told) => told.kind === 'leaving' && leads.doors.setLeaving(told.is))
    stays.matrix.deactivate.mockRejectedValue(new Refused(401, 'M_FORBIDDEN', ''))
    await expect(stays.doors.deactivate('wrong', false)).rejects.toThrow()
    expect(stays.inside.forget).not.toHaveBeenCalled()
    await leads.doors.expel()
    expect(leads.inside.forget).toHaveBeenCalledTimes(1)
  })

  test('nothing is left in the database, though a tab that sleeps holds it', async () => {
    const sleeper = await new Promise<IDBDatabase>((resolve) => {
      const asked = indexedDB.open('bongsu')
      asked.onsuccess = () => resolve(asked.result)
    })
    await database.put('facts', signedIn, 'session')
    await database.put('outbox', item)
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    const ended = destroy(database)
    await vi.waitFor(() => expect(vi.getTimerCount()).toBeGreaterThan(0))
    await vi.advanceTimersByTimeAsync(3_000)
    await ended
    vi.useRealTimers()
    const facts = sleeper.transaction(['facts', 'outbox']).objectStore('facts').getAllKeys()
    expect(await new Promise((resolve) => (facts.onsuccess = () => resolve(facts.result)))).toEqual([])
    sleeper.close()
  })
})

describe('a session that the server ended', () => {
  test('leaves what every tab had begun to write', async () => {
    const [one, other] = [tab(signedIn), tab(signedIn)]
    await one.outbox.put(item)
    await other.drafts.keep(ROOM, '다른 창에서 쓰던 글')
    await one.doors.expel()
    expect(await left.of(ME)).toMatchObject({ items: [{ txn: item.txn }], drafts: new Map([[ROOM, '다른 창에서 쓰던 글']]) })
  })

  test('goes on while any site knows it', async () => {
    const { doors, inside } = tab(signedIn, false)
    await doors.expel()
    expect([inside.stop.mock.calls.length, inside.forget.mock.calls.length]).toEqual([0, 0])
  })

  test('is over when nobody knows it and somebody says so', async () => {
    const asked = async (answers: Record<string, number | null>) => {
      const fetch = async (url: string) => {
        const status = answers[new URL(url).origin]
        if (!status) throw new TypeError('not there')
        return new Response('{}', { status })
      }
      const sites = new Sites(Object.keys(answers), { fetch, now: () => 0, random: () => 0.5 })
      const over = await new Matrix(sites).isOver()
      return [over, sites.sites.map((site) => site.breaker.fails)]
    }
    expect(await asked({ 'http://one': 401, 'http://two': null })).toEqual([true, [0, 0]])
    expect(await asked({ 'http://one': 401, 'http://two': 200 })).toEqual([false, [1, 0]]) // it is cut off
    expect(await asked({ 'http://one': 503, 'http://two': null })).toEqual([false, [0, 0]])
  })
})

describe('what somebody left here', () => {
  test('is taken up whole, or stays where it is', async () => {
    await left.keep(ME, { items: [item, { ...item, txn: 'second' }], intents: [], drafts: new Map([[ROOM, '글']]) })
    const { doors } = tab(signedIn)
    const put = IDBObjectStore.prototype.put
    const full = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, value: { txn?: string }, key) {
      const asked = put.call(this, value, key)
      if (value.txn === 'second') asked.addEventListener('success', () => this.transaction.abort()) // as where there is no room
      return asked
    })
    await doors.takeUp()
    full.mockRestore()
    expect([(await database.getAll('outbox')).length, (await left.of(ME)).items.length]).toEqual([0, 2])
    await doors.takeUp()
    expect([(await database.getAll('outbox')).length, (await left.of(ME)).items.length, await database.get('facts', `draft ${ROOM}`)]).toEqual([2, 0, '글'])
  })
})
