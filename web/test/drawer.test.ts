import { describe, expect, test, vi } from 'vitest'
import { monthStart, months, newestFirst, thingsOf } from '../src/data/drawer'
import { Gathering, nextOf, read, settledAt, type Reads, type Source } from '../src/data/gathering'
import type { Entry } from '../src/data/types'
import { Refused, Unreachable } from '../src/net/errors'
import type { RawEvent } from '../src/net/matrix'

const NOON = new Date(2026, 10, 25, 12).getTime()
const DAY = 86_400_000
const photo = { msgtype: 'm.image', body: 'a.png', url: 'mxc://x/y' }
const raw = (id: string, ts: number, content: Record<string, unknown> = photo): RawEvent => ({ event_id: id, type: 'm.room.message', sender: '@a:x', content, origin_server_ts: ts })
const entry = (id: string, ts: number, content: Entry['content'] = photo, room = '!r'): Entry => ({ id, room, order: ts, type: 'm.room.message', sender: '@a:x', ts, content })

describe('what a message holds', () => {
  test('stands on the shelf of its kind', () => {
    const kinds = [photo, { ...photo, msgtype: 'm.video' }, { ...photo, msgtype: 'm.audio' }, { ...photo, msgtype: 'm.file' }]
    expect(kinds.map((content) => (['photos', 'videos', 'files', 'links'] as const).filter((shelf) => thingsOf(entry('$1', 1, content), shelf).length > 0))).toEqual([['photos'], ['videos'], ['files'], ['files']])
  })

  test('several links are several things; edits, stickers and what was taken back are none', () => {
    const links = thingsOf(entry('$1', 1, { msgtype: 'm.text', body: 'https://a.example 와 https://b.example' }), 'links')
    expect(links.map((thing) => [thing.key, thing.link?.host])).toEqual([['$1 0', 'a.example'], ['$1 1', 'b.example']])
    expect(thingsOf(entry('$1', 1, { ...photo, 'm.relates_to': { rel_type: 'm.replace' } }), 'photos')).toEqual([])
    expect(thingsOf({ ...entry('$1', 1), type: 'm.sticker' }, 'photos')).toEqual([])
    expect(thingsOf({ ...entry('$1', 1), redacted: true }, 'photos')).toEqual([])
  })

  test('by month, newest first', () => {
    const things = [entry('$1', NOON - 40 * DAY), entry('$3', NOON), entry('$2', NOON - 1)].flatMap((one) => thingsOf(one, 'photos'))
    expect(months(newestFirst(things)).map((month) => [month.key, month.things.map((thing) => thing.id)])).toEqual([
      ['2026-11', ['$3', '$2']],
      ['2026-10', ['$1']],
    ])
    expect(monthStart(NOON)).toBe(new Date(2026, 10, 1).getTime())
  })
})

describe('sources', () => {
  const source = (upTo: number, isDone = false): Source => ({ room: `!${upTo}`, from: undefined, upTo, isDone })

  test('the one is read that may hold the newest; what is newer than all of them is known', () => {
    const list = [source(5), source(9, true), source(7)]
    expect(nextOf(list)?.upTo).toBe(7)
    expect(settledAt(list)).toBe(7)
    expect(settledAt([source(9, true)])).toBe(-Infinity)
  })

  test('a page moves its source back, and the last one ends it', () => {
    expect(read(source(9), { chunk: [raw('$1', 8), raw('$2', 6)], end: 't' })).toMatchObject({ upTo: 6, from: 't', isDone: false })
    expect(read(source(9), { chunk: [], end: 't' })).toMatchObject({ upTo: 9, from: 't', isDone: false })
    expect(read(source(9), { chunk: [] })).toMatchObject({ isDone: true })
  })
})

describe('a gathering', () => {
  const rooms = [
    { id: '!new', lastTs: NOON },
    { id: '!old', lastTs: NOON - 30 * DAY },
  ]
  const none: Reads = { kept: async () => [], files: async () => ({ chunk: [] }), find: async () => ({ chunk: [] }) }
  const gather = (reads: Partial<Reads>, words = '', shelf: 'photos' | 'links' = 'photos', ignored: string[] = []) =>
    new Gathering({ ...none, ...reads }, rooms, shelf, words, ignored, () => {})

  test('shows what this device has, and each thing once', async () => {
    const one = gather({ kept: async (room) => (room === '!new' ? [entry('$1', NOON)] : []), files: async (room) => ({ chunk: room === '!new' ? [raw('$1', NOON), raw('$0', NOON - 1)] : [] }) })
    await one.begin()
    expect(one.things.map((thing) => [thing.id, thing.room])).toEqual([['$1', '!r'], ['$0', '!new']])
    expect([one.isWhole, one.state]).toEqual([true, 'idle'])
  })

  test('does not ask an old room while a new one has enough', async () => {
    const asked: string[] = []
    const files = async (room: string, from: string | undefined) => {
      asked.push(room)
      const page = Number(from ?? 0)
      return { chunk: Array.from({ length: 20 }, (_, at) => raw(`$${room}${page}${at}`, NOON - page * 1_000 - at)), end: String(page + 1) }
    }
    const one = gather({ files })
    await one.begin()
    expect(asked).toEqual(['!new', '!new'])
    expect(one.things).toHaveLength(40)
    await one.more()
    expect(new Set(asked)).toEqual(new Set(['!new']))
  })

  test('goes back as far as a month that is looked at', async () => {
    const files = vi.fn(async (room: string, from: string | undefined) => {
      const at = NOON - Number(from ?? 0) * 10 * DAY
      return at < NOON - 60 * DAY ? { chunk: [] } : { chunk: [raw(`$${room}${from}`, at)], end: String(Number(from ?? 0) + 1) }
    })
    const one = gather({ files })
    one.need(NOON - 25 * DAY)
    await vi.waitFor(() => expect(files).toHaveBeenCalledTimes(4))
    await vi.waitFor(() => expect(one.state).toBe('idle'))
    expect(one.things.at(-1)?.ts).toBe(NOON - 30 * DAY)
  })

  test('words and links are looked for everywhere at once', async () => {
    const find = vi.fn(async () => ({ chunk: [{ ...raw('$1', NOON, { msgtype: 'm.text', body: '산 https://a.example' }), room_id: '!old' }] }))
    const one = gather({ find, kept: async (room) => (room === '!new' ? [entry('$2', NOON, { msgtype: 'm.text', body: 'https://b.example' })] : []) }, '산', 'links')
    await one.begin()
    expect(find.mock.calls).toEqual([['산 http', ['!new', '!old'], undefined]])
    expect(one.things.map((thing) => [thing.id, thing.room])).toEqual([['$1', '!old']])
  })

  test('without a network it says so, and keeps what it has; later it goes on', async () => {
    let isThere = false
    const files = async () => (isThere ? { chunk: [] } : Promise.reject(new Unreachable('')))
    const one = gather({ files, kept: async () => [entry('$1', NOON)] })
    await one.begin()
    expect([one.state, one.things.length, one.isWhole]).toEqual(['cut', 1, false])
    isThere = true
    await one.more()
    expect([one.state, one.isWhole]).toEqual(['idle', true])
  })

  test('a room that the server shows no more ends nothing else; whoever is ignored is not shown', async () => {
    const files = async (room: string) => (room === '!new' ? Promise.reject(new Refused(403, 'M_FORBIDDEN', '')) : { chunk: [raw('$1', 1)] })
    const one = gather({ files })
    await one.begin()
    expect(one.things.map((thing) => thing.id)).toEqual(['$1'])
    const other = gather({ files }, '', 'photos', ['@a:x'])
    await other.begin()
    expect(other.things).toEqual([])
  })
})
