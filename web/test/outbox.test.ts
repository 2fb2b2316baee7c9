import 'fake-indexeddb/auto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { after, newItem, nextOf, Outbox, outcomeOf, Sender } from '../src/data/outbox'
import type { Item } from '../src/data/types'
import { Refused, Unreachable } from '../src/net/errors'
import type { Matrix } from '../src/net/matrix'

const ROOM = '!room:example.org'
const say = (body: string, seq: number): Item => ({ ...newItem({ room: ROOM, type: 'm.room.message', content: { body } }, 0), seq })

describe('one item', () => {
  const item = say('불', 1)

  test('silence, being told to wait and success keep the transaction id', () => {
    for (const outcome of [{ kind: 'silent' }, { kind: 'later', ms: 10, cannot: true }, { kind: 'sent', eventId: '$a' }] as const) {
      expect(after(item, outcome, 0, 0.5).txn).toBe(item.txn)
    }
  })

  test('silence is no answer: it is tried again, later each time', () => {
    const pauses = [0, 1, 2, 9].map((tries) => after({ ...item, tries }, { kind: 'silent' }, 1_000, 0.5).notBefore - 1_000)
    expect(pauses).toEqual([700, 1_400, 2_800, 20_000])
    expect(after(item, { kind: 'silent' }, 0, 0.5).state).toBe('queued')
  })

  test('a refusal for good is shown, one for now is not', () => {
    expect(outcomeOf(new Refused(403, 'M_FORBIDDEN', ''))).toEqual({ kind: 'refused', why: 'M_FORBIDDEN' })
    expect(outcomeOf(new Refused(429, 'M_LIMIT_EXCEEDED', '', {}, 300))).toEqual({ kind: 'later', ms: 300, cannot: false })
    expect(outcomeOf(new Unreachable(''))).toEqual({ kind: 'silent' })
    expect(after(item, { kind: 'refused', why: 'M_FORBIDDEN' }, 0, 0)).toMatchObject({ state: 'failed', error: 'M_FORBIDDEN' })
  })

  test('one that was on its way when the page closed goes first; one that failed holds up nobody', () => {
    const items: Item[] = [{ ...item, state: 'failed' }, { ...say('둘', 2), state: 'sending' }, say('셋', 3)]
    expect(nextOf(items)?.content).toEqual({ body: '둘' })
  })
})

describe('the sender', () => {
  let database: Database
  let outbox: Outbox

  beforeEach(async () => {
    database?.close()
    await deleteDatabase()
    database = await openDatabase(() => {})
    outbox = new Outbox(database)
  })

  const refused: string[] = []
  let shut: string | undefined
  afterEach(() => (shut = undefined))
  type Send = (room: string, type: string, txn: string, content: Record<string, unknown>) => Promise<{ event_id: string }>
  const sender = (send: Send) => new Sender(outbox, { send } as unknown as Matrix, () => shut, () => {}, () => {}, (code) => refused.push(code))

  test('one at a time in a room, in order', async () => {
    const sent: unknown[] = []
    let inFlight = 0
    const one = sender(async (_room, _type, _txn, content) => {
      expect(++inFlight).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 5))
      inFlight--
      sent.push(content['body'])
      return { event_id: `$${sent.length}` }
    })
    for (const [at, body] of ['하나', '둘', '셋'].entries()) await outbox.put(say(body, at))
    await one.start()
    await vi.waitFor(async () => expect((await outbox.all()).every((item) => item.state === 'sent')).toBe(true))
    expect(sent).toEqual(['하나', '둘', '셋'])
  })

  test('after silence the same id is sent again, by another page too', async () => {
    const item = say('불길', 1)
    await outbox.put(item)
    const txns: string[] = []
    const before = sender((_room, _type, txn) => {
      txns.push(txn)
      return Promise.reject(new Unreachable(''))
    })
    await before.start()
    await vi.waitFor(async () => expect((await outbox.get(item.txn))?.notBefore).toBeGreaterThan(0))
    before.stop()
    await outbox.put({ ...(await outbox.get(item.txn))!, notBefore: 0 })
    const later = sender((_room, _type, txn) => {
      txns.push(txn)
      return Promise.resolve({ event_id: '$a' })
    })
    await later.start()
    await vi.waitFor(async () => expect(await outbox.get(item.txn)).toMatchObject({ state: 'sent', eventId: '$a' }))
    expect(txns).toEqual([item.txn, item.txn])
  })

  test('a message that is refused stays to be seen; a reaction goes, and it is said', async () => {
    const message = say('말', 1)
    const reaction: Item = { ...say('', 2), type: 'm.reaction' }
    await outbox.put(message)
    await outbox.put(reaction)
    await sender(() => Promise.reject(new Refused(403, 'M_FORBIDDEN', ''))).start()
    await vi.waitFor(async () => expect(await outbox.all()).toMatchObject([{ txn: message.txn, state: 'failed' }]))
    expect(refused).toEqual(['M_FORBIDDEN'])
  })

  test('what waits when a room becomes encrypted never goes out; taking something back does', async () => {
    shut = 'BONGSU_ENCRYPTED'
    await outbox.put(say('비밀', 1))
    await outbox.put({ ...say('', 2), type: 'm.room.redaction', redacts: '$old' })
    const send = vi.fn()
    const redact = vi.fn(() => Promise.resolve({ event_id: '$gone' }))
    await new Sender(outbox, { send, redact } as unknown as Matrix, () => shut, () => {}, () => {}, () => {}).start()
    await vi.waitFor(async () => expect(await outbox.of(ROOM)).toMatchObject([{ state: 'failed', error: 'BONGSU_ENCRYPTED' }, { state: 'sent' }]))
    expect([send.mock.calls.length, redact.mock.calls.length]).toEqual([0, 1])
  })

  test('what was taken back meanwhile does not come back', async () => {
    const item = say('아니', 1)
    await outbox.put(item)
    const one = sender(async () => {
      await outbox.remove(item.txn)
      throw new Unreachable('')
    })
    await one.start()
    await vi.waitFor(async () => expect(await outbox.all()).toEqual([]))
  })
})
