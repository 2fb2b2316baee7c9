import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { emptyRoom } from '../src/data/arrival'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { Known } from '../src/data/known'
import { Outbox } from '../src/data/outbox'
import { Speech } from '../src/data/speech'

const ROOM = '!room:example.org'
let database: Database

beforeEach(async () => {
  database?.close()
  await deleteDatabase()
  database = await openDatabase(() => {})
})

/** Somebody in a room whose disk is full until photos are gone, or for good. */
function speaker(isFullForGood: boolean) {
  const known = new Known(database, { tell: () => {} }, () => {})
  known.memory.rooms.set(ROOM, emptyRoom(ROOM))
  const outbox = new Outbox(database)
  const full = vi.spyOn(outbox, 'add').mockRejectedValue(new DOMException('', 'QuotaExceededError'))
  const hands = { changed: vi.fn(), cancel: vi.fn(), makeRoom: vi.fn(async () => void (isFullForGood || full.mockRestore())) }
  return { speech: new Speech(known, outbox, hands), hands }
}

describe('on a full disk', () => {
  test('what is said takes the place of photos', async () => {
    const { speech, hands } = speaker(false)
    await speech.say(ROOM, { body: '불이야', mentions: {} })
    expect((await speech.waiting(ROOM)).map((item) => item.content['body'])).toEqual(['불이야'])
    expect([hands.makeRoom.mock.calls.length, hands.changed.mock.calls]).toEqual([1, [[ROOM]]])
  })

  test('where nothing can make room, its author hears of it', async () => {
    const { speech, hands } = speaker(true)
    await expect(speech.say(ROOM, { body: '불이야', mentions: {} })).rejects.toMatchObject({ name: 'QuotaExceededError' })
    expect([await speech.waiting(ROOM), hands.changed.mock.calls]).toEqual([[], []])
  })
})
