import { describe, expect, test } from 'vitest'
import { emptyRoom, readJoined, readOlder, readSync } from '../src/data/arrival'
import { months, searcher, SHELVES, thingsOf } from '../src/data/drawer'
import { healthOf } from '../src/data/health'
import { linkOf, pieces } from '../src/data/links'
import { chatList, mayInvite, roomName, whyShut } from '../src/data/rooms'
import { mediaOf, rows, standing, type Message, type View } from '../src/data/timeline'
import { NO_ACCOUNT, type Entry, type Room } from '../src/data/types'
import type { JoinedRoom, Json, RawEvent } from '../src/net/matrix'
import { layout, rowAt, span } from '../src/ui/span'

const ME = '@me:example.org'
const HER = '@her:example.org'
const NOON = new Date(2026, 10, 26, 12).getTime()

let count = 0
function event(id: string, body: string, more: Partial<RawEvent> = {}): RawEvent {
  return { event_id: id, type: 'm.room.message', sender: HER, origin_server_ts: NOON + count++, content: { msgtype: 'm.text', body }, ...more }
}
const relates = (id: string, type: string, relation: object, content: object = {}): RawEvent =>
  event(id, '', { type, content: { ...content, 'm.relates_to': relation } })

const timeline = (events: RawEvent[], limited = false, prev_batch = 'older'): JoinedRoom => ({ timeline: { events, limited, prev_batch } })
const first = (...events: RawEvent[]) => readJoined(emptyRoom('!r'), { ...timeline(events, true), summary: { 'm.joined_member_count': 3 } })

function view(room: Room, entries: Entry[], more: Partial<View> = {}): View {
  return { room, entries, items: [], me: ME, ignored: [], isStart: false, ...more }
}
const messages = (v: View): Message[] => rows(v).flatMap((row) => (row.kind === 'message' ? [row.message] : []))

describe('arrival', () => {
  test('what somebody said who was erased looks like what was taken back', () => {
    const { room, entries } = first(event('$1', '', { content: {} }), event('$2', '말'), event('$3', '', { type: 'm.room.topic', state_key: '', content: {} }))
    expect(messages(view(room, entries)).map(({ id, kind }) => [id, kind])).toEqual([['$1', 'redacted'], ['$2', 'text']])
    expect(entries.map((entry) => entry.redacted)).toEqual([true, undefined, undefined])
  })

  test('later is greater, and a hole opens another stretch above', () => {
    const one = first(event('$1', '하나'), event('$2', '둘'))
    const two = readJoined(one.room, timeline([event('$3', '셋')]))
    const three = readJoined(two.room, timeline([event('$9', '아홉')], true, 'hole'))
    const orders = [...one.entries, ...two.entries, ...three.entries].map((entry) => entry.order)
    expect(orders).toEqual(orders.toSorted((a, b) => a - b))
    expect(new Set(orders).size).toBe(4)
    expect(three.room.stretches.map((stretch) => stretch.from)).toEqual(['older', 'hole'])
  })

  test('older pages go below; meeting what is known closes the hole', () => {
    const one = first(event('$1', '하나'), event('$2', '둘'))
    const two = readJoined(one.room, timeline([event('$9', '아홉')], true, 'hole'))
    const page = { chunk: [event('$8', '여덟'), event('$7', '일곱'), event('$2', '둘')], end: 'more' }
    const filled = readOlder(two.room, two.room.stretches[1]!.number, page, new Set(['$1', '$2', '$9']))
    expect(filled.entries.map((entry) => entry.id)).toEqual(['$8', '$7'])
    expect(filled.room.stretches[1]!.from).toBeNull()
    const order = (id: string) => [...one.entries, ...two.entries, ...filled.entries].find((entry) => entry.id === id)!.order
    expect([order('$2') < order('$7'), order('$7') < order('$8'), order('$8') < order('$9')]).toEqual([true, true, true])
  })

  test('the beginning of a room is reached when there is no further token', () => {
    const one = first(event('$5', '다섯'))
    const start = readOlder(one.room, one.room.stretches[0]!.number, { chunk: [event('$4', '넷')] }, new Set(['$5']))
    expect(start.room.stretches[0]!.from).toBeNull()
  })

  test('a room that was left and rooms one is invited to', () => {
    const known = new Map([['!r', { ...emptyRoom('!r'), unread: 4 }]])
    const state = [{ type: 'm.room.member', state_key: ME, sender: HER, content: { membership: 'invite', is_direct: true }, origin_server_ts: 1 }]
    const change = readSync({ next_batch: 's', rooms: { leave: { '!r': {} }, invite: { '!i': { invite_state: { events: state } } } } }, known, NO_ACCOUNT)
    expect(change.rooms).toMatchObject([
      { id: '!i', membership: 'invite', inviter: HER, isDirect: true },
      { id: '!r', membership: 'leave', unread: 0 },
    ])
  })

  test('the preview follows edits and redactions of the newest message', () => {
    const one = first(event('$1', '하나'))
    const edit = relates('$2', 'm.room.message', { rel_type: 'm.replace', event_id: '$1' }, { 'm.new_content': { body: '고침' } })
    const edited = readJoined(one.room, timeline([edit]))
    expect(edited.room.last?.content).toEqual({ body: '고침' })
    const gone = readJoined(edited.room, timeline([event('$3', '', { type: 'm.room.redaction', redacts: '$1', content: {} })]))
    expect(gone.room.last).toMatchObject({ id: '$1', redacted: true })
  })
})

describe('what people with bad intentions send', () => {
  const contents: unknown[] = [
    { msgtype: 'm.text', body: '* x', 'm.new_content': 'x', 'm.relates_to': { rel_type: 'm.replace', event_id: '$1' } },
    { msgtype: 'm.text', body: { toString: 0 } },
    { msgtype: { toString: 0 }, url: 'mxc://x/y', body: 'x' },
    { msgtype: 'constructor', url: 'mxc://x/y', body: 'x' },
    { msgtype: 'm.image', url: 'mxc://x/y', filename: { toString: 0 }, info: 'x' },
    { body: 'x', 'm.relates_to': 'x' },
    { body: 'x', 'm.relates_to': null },
    { body: 'x', 'm.relates_to': { rel_type: ['m.replace'], event_id: {}, 'm.in_reply_to': 1 } },
    null,
  ]
  const states: [string, unknown][] = [
    ['m.room.member', { membership: 'join', displayname: { toString: 0 }, avatar_url: [] }],
    ['m.room.name', { name: { toString: 0 } }],
    ['m.room.power_levels', { users: 'x', invite: 'y' }],
    ['m.room.power_levels', null],
  ]

  test.each(contents.map((content, at) => [at, content]))('message %i breaks nothing', (_, content) => {
    const one = first(event('$1', '하나'), event('$2', '', { content: content as RawEvent['content'] }), event('$3', '셋'))
    const shown = messages(view(one.room, one.entries))
    expect(shown.at(-1)).toMatchObject({ id: '$3', body: '셋' })
    for (const message of shown) expect(typeof message.body).toBe('string')
    for (const shelf of SHELVES) months(standing(one.entries).flatMap((entry) => thingsOf(entry, shelf)))
    expect(standing(one.entries).filter(searcher('셋'))).toHaveLength(1)
  })

  test.each(states)('%s breaks nothing', (type, content) => {
    const one = first(event('$1', '하나'), event('$2', '', { type, state_key: type === 'm.room.member' ? HER : '', content: content as RawEvent['content'] }))
    expect(messages(view(one.room, one.entries))).toHaveLength(1)
    expect(roomName({ ...one.room, heroes: [HER] }, ME, NO_ACCOUNT)).toBe('her')
    expect(mayInvite(one.room, ME)).toBe(true)
  })
})

describe('what was edited, then deleted', () => {
  const edit = (id: string, target: string, body: string, sender = HER) => ({
    ...relates(id, 'm.room.message', { rel_type: 'm.replace', event_id: target }, { body: `* ${body}`, 'm.new_content': { msgtype: 'm.text', body } }),
    sender,
  })
  const gone = event('$9', '', { type: 'm.room.redaction', redacts: '$1', content: {} })

  test('cannot be read anywhere', () => {
    const { room, entries } = first(event('$1', '처음 말'), edit('$2', '$1', '고친 말'), event('$3', '남은 말'), gone)
    const [message] = messages(view(room, entries))
    expect(message).toMatchObject({ kind: 'redacted', body: '', edited: false })
    expect(standing(entries).map((entry) => entry.id)).toEqual(['$3'])
  })

  test('an edit is found by its words, under the message that it changed', () => {
    const { entries } = first(event('$1', '처음 말'), edit('$2', '$1', '고친 말'))
    expect(standing(entries).filter(searcher('고친')).map((entry) => entry.id)).toEqual(['$1'])
    expect(standing(entries).filter(searcher('처음'))).toEqual([])
  })

  test('the preview takes no edit by others, and none of what is gone', () => {
    const one = first(event('$1', '처음 말'))
    expect(readJoined(one.room, timeline([edit('$2', '$1', '남의 말', ME)])).room.last?.content.body).toBe('처음 말')
    expect(readJoined(one.room, timeline([gone, edit('$2', '$1', '고친 말')])).room.last).toMatchObject({ redacted: true, content: {} })
  })
})

describe('rows', () => {
  test('edits by the same person count, others do not', () => {
    const edit = (id: string, sender: string, body: string) => ({
      ...relates(id, 'm.room.message', { rel_type: 'm.replace', event_id: '$1' }, { 'm.new_content': { msgtype: 'm.text', body } }),
      sender,
    })
    const { room, entries } = first(event('$1', '하나'), edit('$2', HER, '고침'), edit('$3', ME, '남의 말'))
    expect(messages(view(room, entries))).toMatchObject([{ id: '$1', body: '고침', edited: true }])
  })

  test('reactions are counted by person and can be taken back', () => {
    const face = (id: string, sender: string) => ({ ...relates(id, 'm.reaction', { rel_type: 'm.annotation', event_id: '$1', key: '👍' }), sender })
    const { room, entries } = first(event('$1', '하나'), face('$2', HER), face('$3', HER), face('$4', ME))
    expect(messages(view(room, entries))[0]!.reactions).toEqual([{ key: '👍', users: [HER, ME], mine: '$4' }])
    const back = readJoined(room, timeline([event('$5', '', { type: 'm.room.redaction', redacts: '$4', content: {} })]))
    expect(messages(view(back.room, [...entries, ...back.entries]))[0]!.reactions).toEqual([{ key: '👍', users: [HER] }])
  })

  test('how many have not read: everybody here, but for those who got that far and those who wrote later', () => {
    const { room, entries } = first(event('$1', '하나', { sender: ME }), event('$2', '둘', { sender: ME }))
    expect(messages(view(room, entries)).map((message) => message.unread)).toEqual([2, 2])
    const read = { ...room, receipts: { [HER]: '$1' } }
    expect(messages(view(read, entries)).map((message) => message.unread)).toEqual([1, 2])
    const answer = readJoined(read, timeline([event('$3', '셋')]))
    expect(messages(view(answer.room, [...entries, ...answer.entries])).map((message) => message.unread)).toEqual([1, 1, 2])
  })

  test('dates, the line above the first unread, and messages of one minute together', () => {
    const later = event('$3', '다음 날', { origin_server_ts: NOON + 86_400_000 })
    const { room, entries } = first(event('$1', '하나'), event('$2', '둘'), later)
    const kinds = rows(view(room, entries, { readUpTo: '$2' })).map((row) => (row.kind === 'message' ? [row.message.id, row.first, row.last] : row.kind))
    expect(kinds).toEqual(['date', ['$1', true, false], ['$2', false, true], 'date', 'unread', ['$3', true, true]])
  })

  test('what waits stands at the end under its transaction id, and once only when it has arrived', () => {
    const { room, entries } = first(event('$1', '하나'))
    const item = { txn: 't1', seq: 1, room: '!r', type: 'm.room.message', content: { msgtype: 'm.text', body: '간다' }, at: NOON, tries: 0, notBefore: 0, state: 'sent' as const, eventId: '$2' }
    expect(messages(view(room, entries, { items: [item] })).map((message) => message.key)).toEqual(['$1', 't1'])
    const arrived = readJoined(room, timeline([event('$2', '간다', { sender: ME, unsigned: { transaction_id: 't1' } })]))
    const { eventId: _, ...unanswered } = { ...item, state: 'sending' as const }
    for (const one of [item, unanswered]) {
      expect(messages(view(room, [...entries, ...arrived.entries], { items: [one] })).map((message) => message.key)).toEqual(['$1', 't1'])
    }
  })

  test('reactions, edits and redactions on their way are shown as if they had arrived', () => {
    const { room, entries } = first(event('$1', '하나', { sender: ME }), event('$2', '둘'))
    const item = (txn: string, type: string, content: object, more = {}) => ({ txn, seq: 1, room: '!r', type, content: content as Record<string, unknown>, at: NOON, tries: 0, notBefore: 0, state: 'queued' as const, ...more })
    const items = [
      item('t1', 'm.room.message', { 'm.new_content': { msgtype: 'm.text', body: '고침' }, 'm.relates_to': { rel_type: 'm.replace', event_id: '$1' } }),
      item('t2', 'm.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: '$1', key: '🔥' } }),
      item('t3', 'm.room.redaction', {}, { redacts: '$2' }),
    ]
    expect(messages(view(room, entries, { items }))).toMatchObject([
      { id: '$1', body: '고침', reactions: [{ key: '🔥', users: [ME], mine: 't2' }] },
      { id: '$2', kind: 'redacted' },
    ])
  })

  test('a hole is shown where it is', () => {
    const one = first(event('$1', '하나'))
    const two = readJoined(one.room, timeline([event('$9', '아홉')], true, 'hole'))
    expect(rows(view(two.room, [...one.entries, ...two.entries])).map((row) => row.kind)).toEqual(['date', 'message', 'hole', 'message'])
  })

  test('ignored people are not shown', () => {
    const { room, entries } = first(event('$1', '하나'))
    expect(messages(view(room, entries, { ignored: [HER] }))).toEqual([])
  })
})

describe('rooms', () => {
  test('are called by name, by the other one, or by who is in them', () => {
    const room = { ...emptyRoom('!r'), heroes: [HER], members: { [HER]: { name: '그이', membership: 'join' } } }
    expect(roomName({ ...room, name: '방' }, ME, NO_ACCOUNT)).toBe('방')
    expect(roomName(room, ME, { ...NO_ACCOUNT, direct: { [HER]: ['!r'] } })).toBe('그이')
    expect(roomName(room, ME, NO_ACCOUNT)).toBe('그이')
    expect(roomName(emptyRoom('!e'), ME, NO_ACCOUNT)).toBe('')
  })

  test('are shut when they are encrypted, left, not entered yet, or unknown', () => {
    const joined = emptyRoom('!r')
    expect(whyShut(joined)).toBeUndefined()
    expect(whyShut({ ...joined, encrypted: true })).toBe('BONGSU_ENCRYPTED')
    expect([whyShut({ ...joined, membership: 'leave' }), whyShut({ ...joined, membership: 'invite' }), whyShut(undefined)]).toEqual(Array(3).fill('BONGSU_LEFT'))
  })

  test('invitations first, favourites, then the newest', () => {
    const at = (id: string, lastTs: number, more: Partial<Room> = {}): Room => ({ ...emptyRoom(id), lastTs, ...more })
    const list = chatList([at('old', 1), at('new', 9), at('star', 2, { tags: ['m.favourite'] }), at('gone', 9, { membership: 'leave' }), at('door', 3, { membership: 'invite' })])
    expect(list.map((room) => room.id)).toEqual(['door', 'star', 'new', 'old'])
  })
})

test('who is called to a desk finds it from there', () => {
  const called = { about: 'desk.waiting', channel_id: 'a', conversation_id: 'c' }
  const desks = (about: object) => {
    const one = first(event('$1', '고객이 기다립니다', { content: { msgtype: 'm.text', body: '.', 'bongsu.channel': about } }))
    return messages(view(one.room, one.entries)).map((message) => message.desk)
  }
  expect(desks(called)).toEqual([{ channel: 'a', talk: 'c' }])
  expect(desks({ ...called, about: 'webhook.disabled' })).toEqual([undefined])
  expect(desks({ ...called, conversation_id: 5 })).toEqual([undefined])
})

test('no text is turned round by force; what another script needs stays', () => {
  const { entries } = first(event('$1', '\u202ehttps://evil.example/moc.knab//:sptth'), event('$2', 'שלום \u200fabc\u200e'))
  expect(entries.map((entry) => entry.content.body)).toEqual(['https://evil.example/moc.knab//:sptth', 'שלום \u200fabc\u200e'])
})

test('no name reads as another one', () => {
  const content = { msgtype: 'm.file', url: 'mxc://a/b', body: 'photo_\u202egpj.exe', filename: '\u2067photo_\u202egpj.exe\u2069' }
  expect(mediaOf('m.room.message', content)?.name).toBe('photo_gpj.exe')
  const state = (type: string, content: Json, state_key: string): RawEvent => ({ type, state_key, sender: '@a:x', origin_server_ts: 1, content })
  const events = [state('m.room.name', { name: '봉수\u202e대' }, ''), state('m.room.member', { membership: 'join', displayname: '\u202eecilA' }, '@a:x')]
  expect(readJoined(emptyRoom('!r'), { state: { events } }).room).toMatchObject({ name: '봉수대', members: { '@a:x': { name: 'ecilA' } } })
})

describe('links', () => {
  test('are found, without the full stop and the bracket after them', () => {
    expect(pieces('보세요 (https://example.org/a_(b)). 끝').map((piece) => piece.text)).toEqual(['보세요 (', 'https://example.org/a_(b)', '). 끝'])
    expect(pieces('javascript:alert(1) data:x')).toEqual([{ text: 'javascript:alert(1) data:x' }])
  })

  test('end where the direction of writing is turned', () => {
    expect(pieces('https://files.example/\u202efdp.exe')[0]?.link?.href).toBe('https://files.example/')
  })

  test.each([
    ['https://exаmple.org/', 'lookalike'], // a Cyrillic letter
    ['https://xn--exmple-4nf.org/', 'lookalike'],
    ['https://bank.example@evil.example/', 'lookalike'],
    ['https://files.example/%EC%95%B1.apk?x=1', 'installer'],
    ['http://files.example/setup.EXE', 'installer'],
    ['https://한국.example/', undefined],
    ['https://example.org/app', undefined],
  ])('%s: %s', (address, danger) => {
    expect(linkOf(address)?.danger).toBe(danger)
  })

  test('a text that names another host is a trap', () => {
    expect(linkOf('https://evil.example/', 'bank.example/login')?.danger).toBe('lookalike')
    expect(linkOf('https://www.bank.example/', 'bank.example')?.danger).toBeUndefined()
    expect(linkOf('https://bank.example/', '여기')?.danger).toBeUndefined()
  })
})

test('search regards neither case nor how Hangul was composed', () => {
  const entry = first(event('$1', 'Bongsu 봉수대에서')).entries[0]!
  expect(searcher('봉수대'.normalize('NFD'))(entry)).toBe(true)
  expect(searcher('bongSU 에서')(entry)).toBe(true)
  expect(searcher('연기')(entry)).toBe(false)
  expect(searcher('  ')(entry)).toBe(false)
})

describe('the banner', () => {
  const facts = { heardAt: 5, isCut: false, isElsewhere: false, waitingSince: null, waiting: 0, cannotWrite: false }

  test('tells the truth', () => {
    expect(healthOf(facts, 10)).toEqual({ kind: 'normal' })
    expect(healthOf({ ...facts, isElsewhere: true }, 10)).toEqual({ kind: 'elsewhere' })
    expect(healthOf({ ...facts, isCut: true, waiting: 2, waitingSince: 6 }, 10)).toEqual({ kind: 'offline', since: 5, waiting: 2 })
    expect(healthOf({ ...facts, cannotWrite: true, waiting: 1, waitingSince: 6 }, 10)).toEqual({ kind: 'readonly', waiting: 1 })
    expect(healthOf({ ...facts, waiting: 1, waitingSince: 6 }, 20_000)).toEqual({ kind: 'delayed', since: 6, waiting: 1 })
    expect(healthOf({ ...facts, waiting: 1, waitingSince: 6 }, 10_000)).toEqual({ kind: 'normal' })
  })
})

describe('long lists', () => {
  const keys = Array.from({ length: 10_000 }, (_, at) => `k${at}`)

  test('only what is near the screen is drawn', () => {
    const heights = layout(keys, new Map([['k0', 500]]), 50)
    expect(heights.tops.at(-1)).toBe(500 + 9_999 * 50)
    expect(rowAt(heights, 499)).toBe(0)
    expect(rowAt(heights, 500)).toBe(1)
    expect(span(heights, 5_000, 800, 100)).toEqual({ from: 89, to: 110 })
  })

  test('an empty list has nothing to draw', () => {
    expect(span(layout([], new Map(), 50), 0, 800, 100)).toEqual({ from: 0, to: 0 })
  })
})
