import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { emptyRoom } from '../src/data/arrival'
import { contentOf } from '../src/data/content'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { Known } from '../src/data/known'
import { Outbox } from '../src/data/outbox'
import { Speech } from '../src/data/speech'
import { captionOf } from '../src/data/timeline'

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

describe('the words under a file', () => {
  const key = { kty: 'oct', alg: 'A256CTR', ext: true, key_ops: ['encrypt', 'decrypt'], k: 'k' }
  const secret = { v: 'v2', url: 'mxc://a/b', iv: 'iv', key, hashes: { sha256: 'hash' } }
  const photo = { msgtype: 'm.image', body: '산에서', format: 'org.matrix.custom.html', formatted_body: '<b>산에서</b>', filename: 'a.jpg', file: secret, info: { w: 3, h: 2, mimetype: 'image/jpeg', thumbnail_file: { ...secret, url: 'mxc://a/small' } } }

  async function recaptioned(said: { body: string; mentions: object }) {
    const known = new Known(database, { tell: () => {} }, () => {})
    known.memory.rooms.set(ROOM, emptyRoom(ROOM))
    const speech = new Speech(known, new Outbox(database), { changed: vi.fn(), cancel: vi.fn(), makeRoom: vi.fn() })
    await speech.recaption(ROOM, '$photo', contentOf({ ...photo, 'm.relates_to': { rel_type: 'm.thread', event_id: '$root' } }), said, ['@known:a'])
    return (await speech.waiting(ROOM))[0]!.content as typeof photo & { 'm.new_content': typeof photo }
  }

  test('change, and the file stays whole for every client; whoever was called is not called again', async () => {
    const content = await recaptioned({ body: '들에서', mentions: { user_ids: ['@known:a', '@new:a'] } })
    const { format: _, formatted_body: __, ...file } = photo
    expect(content['m.new_content']).toEqual({ ...file, body: '들에서', 'm.mentions': { user_ids: ['@known:a', '@new:a'] } })
    expect(content).toMatchObject({ ...file, body: '* 들에서', 'm.mentions': { user_ids: ['@new:a'] }, 'm.relates_to': { rel_type: 'm.replace', event_id: '$photo' } })
  })

  test('can be taken away', async () => {
    const content = await recaptioned({ body: '', mentions: {} })
    expect(captionOf(contentOf(content['m.new_content']))).toBeUndefined()
    expect(content['m.new_content'].body).toBe('a.jpg')
  })
})
