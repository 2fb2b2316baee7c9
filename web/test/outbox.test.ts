import 'fake-indexeddb/auto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { after, mayBeThere, newItem, nextOf, Outbox, outcomeOf, Sender } from '../src/data/outbox'
import type { Item } from '../src/data/types'
import { Refused, retryAfter, Unreachable } from '../src/net/errors'
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

  test('whoever is told to wait waits that long, and longer with each try', () => {
    const pause = (tries: number, ms: number) => after({ ...item, tries }, { kind: 'later', ms, cannot: true }, 0, 0.5).notBefore
    expect([pause(0, 0), pause(1, 0), pause(9, 0), pause(1, 60_000)]).toEqual([700, 1_400, 20_000, 60_000])
  })

  test('a refusal for good is shown, one for now is not', () => {
    expect(outcomeOf(new Refused(403, 'M_FORBIDDEN', ''))).toEqual({ kind: 'refused', why: 'M_FORBIDDEN' })
    expect(outcomeOf(new Refused(429, 'M_LIMIT_EXCEEDED', '', {}, 300))).toEqual({ kind: 'later', ms: 300, cannot: false })
    expect(outcomeOf(new Unreachable(''))).toEqual({ kind: 'silent' })
    expect(outcomeOf(new Refused(401, 'M_UNKNOWN_TOKEN', ''))).toEqual({ kind: 'silent' })
    expect(outcomeOf(new SyntaxError('half a body'))).toEqual({ kind: 'silent' })
    expect(outcomeOf(new DOMException('', 'QuotaExceededError'))).toEqual({ kind: 'silent' })
    expect(outcomeOf(new Refused(507, 'M_UNKNOWN', '', {}, retryAfter(507, null, {})))).toEqual({ kind: 'refused', why: 'M_UNKNOWN' })
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

  test('what is said later goes out later, whichever tab says it and however the clock was set', async () => {
    const draft = (body: string) => ({ room: ROOM, type: 'm.room.message', content: { body } })
    await outbox.add(draft('하나'), 5_000)
    await new Outbox(database).add(draft('둘'), 5_000)
    await outbox.add(draft('셋'), 1_000)
    await outbox.add({ ...draft('다른 방'), room: '!other:x' }, 1_000)
    expect((await outbox.of(ROOM)).map((item) => [item.content['body'], item.at])).toEqual([['하나', 5_000], ['둘', 5_000], ['셋', 1_000]])
    expect((await outbox.of('!other:x'))[0]?.seq).toBe(1_000)
  })

  test('what another tab tells of while the last look is being taken is not forgotten', async () => {
    const sent: unknown[] = []
    const one = sender(async (_room, _type, _txn, content) => ({ event_id: `$${sent.push(content['body'])}` }))
    await one.start()
    const look = vi.spyOn(outbox, 'of').mockImplementationOnce(async () => {
      await outbox.put(say('늦은 말', 1))
      await one.flush(ROOM) // told meanwhile
      return [] // as it was before
    })
    await one.flush(ROOM)
    look.mockRestore()
    expect(sent).toEqual(['늦은 말'])
  })

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

  test('what another device of mine had tried is asked about first: found it is not sent, else it is this device’s', async () => {
    const [there, lost] = [{ ...say('닿았소', 1), tries: 1, formerly: 'OLD' }, { ...say('못 닿았소', 2), tries: 1, formerly: 'OLD' }]
    await outbox.put(there)
    await outbox.put(lost)
    const sent = vi.fn(async (_room: string, _type: string, _device: string, txn: string) => (txn === there.txn ? '$there' : undefined))
    const send = vi.fn(async () => ({ event_id: '$new' }))
    await new Sender(outbox, { sent, send } as unknown as Matrix, () => shut, () => {}, () => {}, () => {}).start()
    await vi.waitFor(async () => expect(await outbox.of(ROOM)).toMatchObject([{ state: 'sent', eventId: '$there' }, { state: 'sent', eventId: '$new' }]))
    expect(send.mock.calls).toEqual([[ROOM, 'm.room.message', lost.txn, lost.content]])
    expect(sent.mock.calls[0]).toEqual([ROOM, 'm.room.message', 'OLD', there.txn])
    expect(await outbox.get(lost.txn)).not.toHaveProperty('formerly')
  })

  test('as long as that cannot be asked, nothing is sent', async () => {
    await outbox.put({ ...say('혹시', 1), tries: 1, formerly: 'OLD' })
    const send = vi.fn()
    const one = new Sender(outbox, { sent: () => Promise.reject(new Unreachable('')), send } as unknown as Matrix, () => shut, () => {}, () => {}, () => {})
    await one.start()
    await vi.waitFor(async () => expect(await outbox.of(ROOM)).toMatchObject([{ state: 'queued', formerly: 'OLD', tries: 2 }]))
    one.stop()
    expect(send).not.toHaveBeenCalled()
  })

  const photo = (seq: number): Item => ({ ...say('a.png', seq), attachment: { blob: new Blob(['x']), name: 'a.png' } })
  const withMatrix = (matrix: object) => new Sender(outbox, matrix as unknown as Matrix, () => shut, () => {}, () => {}, (code) => refused.push(code))

  test('a message that is answered 404 does not bring its file again', async () => {
    await outbox.put(photo(1))
    const upload = vi.fn(async () => {})
    const send = () => Promise.reject(new Refused(404, 'M_NOT_FOUND', ''))
    await withMatrix({ createMedia: async () => ({ content_uri: 'mxc://a/b' }), upload, send }).start()
    await vi.waitFor(async () => expect(await outbox.of(ROOM)).toMatchObject([{ state: 'failed', error: 'M_NOT_FOUND' }]))
    expect(upload).toHaveBeenCalledTimes(1)
  })

  test('an address that the server has forgotten is asked for anew, after a pause', async () => {
    const item = photo(1)
    await outbox.put(item)
    const one = withMatrix({ createMedia: async () => ({ content_uri: 'mxc://a/b' }), upload: () => Promise.reject(new Refused(404, 'M_NOT_FOUND', '')) })
    await one.start()
    await vi.waitFor(async () => expect((await outbox.get(item.txn))?.notBefore).toBeGreaterThan(Date.now()))
    expect((await outbox.get(item.txn))?.attachment).toEqual({ blob: expect.anything(), name: 'a.png' })
    one.stop()
  })

  test('waking asks now what waits for its time', async () => {
    await outbox.put({ ...say('불', 1), tries: 5, notBefore: Date.now() + 60_000 })
    const send = vi.fn(async () => ({ event_id: '$a' }))
    const one = sender(send)
    await one.start()
    await vi.waitFor(() => expect(send).toHaveBeenCalledTimes(1))
  })

  test('when the disk refuses once, the room is looked at again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      await outbox.put(say('불', 1))
      const send = vi.fn(async () => ({ event_id: '$a' }))
      const one = sender(send)
      const settle = vi.spyOn(outbox, 'settle').mockRejectedValueOnce(new DOMException('', 'QuotaExceededError'))
      await one.start()
      await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1), { interval: 1 })
      expect([settle.mock.calls.length, send.mock.calls.length]).toEqual([1, 0])
      vi.runAllTimers()
    } finally {
      vi.useRealTimers()
    }
    await vi.waitFor(async () => expect(await outbox.of(ROOM)).toMatchObject([{ state: 'sent' }]))
  })

  test('what is taken back before its turn does not go out', async () => {
    const item = say('아니', 1)
    await outbox.put(item)
    const send = vi.fn()
    vi.spyOn(outbox, 'settle').mockImplementationOnce(async (one) => {
      await outbox.remove(one.txn)
      return false
    })
    await sender(send).start()
    await vi.waitFor(async () => expect(await outbox.all()).toEqual([]))
    expect(send).not.toHaveBeenCalled()
  })

  test('what is taken back on its way is redacted by the event that it became', async () => {
    const reaction: Item = { ...say('', 1), type: 'm.reaction' }
    await outbox.put(reaction)
    const redact = vi.fn((_room: string, _event: string) => Promise.resolve({ event_id: '$gone' }))
    const send = async () => {
      await outbox.put({ ...say('', 2), type: 'm.room.redaction', redacts: reaction.txn })
      return { event_id: '$reaction' }
    }
    expect([mayBeThere(reaction), mayBeThere({ ...reaction, tries: 1 }), mayBeThere({ ...photo(1), tries: 1 })]).toEqual([false, true, false])
    await withMatrix({ send, redact }).start()
    await vi.waitFor(() => expect(redact).toHaveBeenCalledTimes(1))
    expect(redact.mock.calls[0]![1]).toBe('$reaction')
  })

  test('what is refused after it was taken back goes with what takes it back, and nothing is said', async () => {
    refused.length = 0
    const message = say('아니', 1)
    await outbox.put(message)
    await outbox.put({ ...say('', 2), type: 'm.room.redaction', redacts: message.txn })
    const redact = vi.fn()
    await withMatrix({ send: () => Promise.reject(new Refused(403, 'M_FORBIDDEN', '')), redact }).start()
    await vi.waitFor(async () => expect(await outbox.all()).toEqual([]))
    expect([redact.mock.calls.length, refused]).toEqual([0, []])
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
