import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, test } from 'vitest'
import { emptyRoom, entryOf } from '../src/data/arrival'
import { Chats, roomAddress } from '../src/data/chats'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { Drafts } from '../src/data/drafts'
import { Known } from '../src/data/known'
import type { Push } from '../src/data/push'
import { threadRelation } from '../src/data/threads'
import type { Json, Matrix, RawEvent } from '../src/net/matrix'

const ME = '@me:example.org'
const HER = '@her:example.org'
const ROOM = '!room:example.org'
let database: Database

beforeEach(async () => {
  database?.close()
  await deleteDatabase()
  database = await openDatabase(() => {})
})

const said = (id: string, sender = HER, content: Json = { body: id }): RawEvent => ({ event_id: id, type: 'm.room.message', sender, origin_server_ts: 1, content })
const inThread = (id: string, sender = HER) => said(id, sender, { body: id, 'm.relates_to': threadRelation('$root', '$root') })

/** A room in which these things were said. meanwhile: comes while the receipt is on its way. */
async function readingRoom(events: RawEvent[], meanwhile: RawEvent[] = []) {
  const put = (all: RawEvent[], from: number) => Promise.all(all.map((event, at) => database.put('entries', entryOf(event, ROOM, from + at))))
  await put(events, 1)
  await database.put('rooms', { ...emptyRoom(ROOM), unread: 3, highlights: 1 })
  const known = new Known(database, { tell: () => {} }, () => {})
  known.session = { user: ME, device: 'D', token: 'x' }
  const matrix = { read: () => put(meanwhile, 100), readIn: () => put(meanwhile, 100) } as unknown as Matrix
  return new Chats(known, database, matrix, new Drafts(database, known, { tell: () => {} }), { read: async () => {} } as unknown as Push)
}
const unread = async () => (await database.get('rooms', ROOM))!.unread

describe('reading', () => {
  test('to the end leaves nothing', async () => {
    const chats = await readingRoom([said('$1'), said('$2')])
    await chats.markRead(ROOM, '$2')
    expect(await unread()).toBe(0)
    expect((await database.get('rooms', ROOM))!.receipts).toEqual({ [ME]: '$2' })
  })

  test('what came while it was told stays as the server counted it', async () => {
    const chats = await readingRoom([said('$1')], [said('$late')])
    await chats.markRead(ROOM, '$1')
    expect(await unread()).toBe(3)
    expect((await database.get('rooms', ROOM))!.receipts).toEqual({ [ME]: '$1' })
  })

  test('what one said oneself, what is no message, and what was said in a thread is nothing unread', async () => {
    const reaction = { ...said('$face'), type: 'm.reaction' }
    const chats = await readingRoom([said('$1')], [said('$mine', ME), reaction, inThread('$aside')])
    await chats.markRead(ROOM, '$1')
    expect(await unread()).toBe(0)
  })

  test('in a thread it is its own end that counts', async () => {
    const threads = { $root: { unread: 2, highlights: 0 } }
    for (const [late, left] of [[inThread('$late'), 3], [said('$late'), 1]] as const) {
      const chats = await readingRoom([said('$root'), inThread('$1')], [late])
      await database.put('rooms', { ...(await database.get('rooms', ROOM))!, threads })
      await chats.markRead(ROOM, '$1', '$root')
      expect(await unread()).toBe(left)
      await database.clear('entries')
    }
  })
})

test.each([
  ['https://matrix.to/#/%21a%3Ax?via=x', '!a:x'],
  ['https://our.example/app/join/%23불%3Ax', '#불:x'],
  [' #fire:x ', '#fire:x'],
  ['https://matrix.to/#/100%', '100%'],
])('%s is an address of a room', (typed, address) => expect(roomAddress(typed)).toBe(address))
