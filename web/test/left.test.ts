import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Intent } from '../src/data/intents'
import { isNothing, leaving, leavingIntent, left } from '../src/data/left'
import { newItem } from '../src/data/outbox'
import type { Item } from '../src/data/types'

const item = (body: string): Item => newItem({ room: '!a:x', type: 'm.room.message', content: { body } }, 1)

const wish: Intent = { lane: 'bookings', what: 'book', method: 'POST', path: '/x', key: 'k', seq: 1, at: 1, tries: 1, notBefore: 5, state: 'sending' }

test('what was asked of a service waits with its key; what is done does not', () => {
  expect(leavingIntent(wish)).toEqual({ ...wish, state: 'queued', notBefore: 0 })
  expect(leavingIntent({ ...wish, state: 'done' })).toBeUndefined()
  expect(leavingIntent({ ...wish, state: 'failed' })?.state).toBe('failed')
})

describe('an item whose author was signed out', () => {
  test('never tried: it goes out as it is', () => {
    expect(leaving({ ...item('하나'), notBefore: 9 }, 'OLD')).toMatchObject({ state: 'queued', notBefore: 0 })
    expect(leaving(item('하나'), 'OLD')).not.toHaveProperty('formerly')
  })

  test('tried: which device tried it is kept, and stays the first one that nobody asked about', () => {
    const tried = { ...item('둘'), tries: 1, state: 'sending' as const }
    expect(leaving(tried, 'OLD')).toMatchObject({ state: 'queued', formerly: 'OLD', txn: tried.txn })
    expect(leaving({ ...tried, formerly: 'OLDER' }, 'OLD')).toMatchObject({ formerly: 'OLDER' })
  })

  test('a file that was not brought yet cannot have been sent', () => {
    const attachment = { blob: new Blob(['x']), name: 'x', uri: 'mxc://a/b' }
    expect(leaving({ ...item('셋'), tries: 3, attachment }, 'OLD')).not.toHaveProperty('formerly')
    expect(leaving({ ...item('셋'), tries: 3, attachment: { ...attachment, uploaded: true } }, 'OLD')).toHaveProperty('formerly', 'OLD')
  })

  test('what the former device encrypted is encrypted anew; a file that it encrypted is there as it is', () => {
    const attachment = { blob: new Blob(['x']), name: 'x', uploaded: true, sealed: { blob: new Blob(['y']), key: { key: { k: 'k' }, iv: 'i', hashes: { sha256: 's' } } } }
    const tried = leaving({ ...item('비밀'), tries: 1, sealed: { ciphertext: 'x' }, attachment }, 'OLD')
    expect(tried).not.toHaveProperty('sealed')
    expect(tried?.attachment).toBe(attachment)
  })

  test('what is sent does not wait; what was refused stays refused', () => {
    expect(leaving({ ...item('넷'), state: 'sent', eventId: '$a' }, 'OLD')).toBeUndefined()
    const failed = { ...item('다섯'), tries: 2, state: 'failed' as const, error: 'M_FORBIDDEN' }
    expect(leaving(failed, 'OLD')).toEqual(failed)
  })
})

describe('what waits on this device', () => {
  beforeEach(async () => {
    await left.drop('@a:x')
    await left.drop('@b:x')
  })

  test('is for its author alone', async () => {
    const [mine, theirs] = [item('나'), item('남')]
    await left.keep('@a:x', { items: [mine], intents: [wish], drafts: new Map([['!a:x', '쓰던 글']]) })
    await left.keep('@b:x', { items: [theirs], intents: [], drafts: new Map() })
    expect(await left.of('@a:x')).toEqual({ items: [mine], intents: [wish], drafts: new Map([['!a:x', '쓰던 글']]) })
    expect(await left.people()).toEqual(expect.arrayContaining([{ user: '@a:x', count: 2 }, { user: '@b:x', count: 1 }]))
    await left.drop('@a:x')
    expect(await left.of('@a:x')).toSatisfy(isNothing)
    expect((await left.of('@b:x')).items).toEqual([theirs])
  })

  test('kept twice it is there once', async () => {
    const one = item('나')
    await left.keep('@a:x', { items: [one], intents: [], drafts: new Map() })
    await left.keep('@a:x', { items: [one], intents: [], drafts: new Map() })
    expect(await left.people()).toEqual([{ user: '@a:x', count: 1 }])
  })
})
