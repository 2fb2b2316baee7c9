import { describe, expect, test } from 'vitest'
import { emptyRoom, readJoined, readUpTo } from '../src/data/arrival'
import { contentOf } from '../src/data/content'
import { dayInput, startOfDay } from '../src/data/dates'
import { foundIn, together } from '../src/data/finding'
import { callees, isCalled, namesIn, spoken, typingAt, withName } from '../src/data/mentions'
import { repinned } from '../src/data/pins'
import { drafted, endContent, pollContent, pressed, tally, voteContent, winners, type Poll } from '../src/data/poll'
import { isFinal, mayGive, mayRemove, mayUnban, roleOf, withRole } from '../src/data/roles'
import { level, maySet } from '../src/data/rooms'
import { inOrder, threadRelation } from '../src/data/threads'
import { rowNear, rows, type Message, type View } from '../src/data/timeline'
import type { Entry, Room } from '../src/data/types'
import type { JoinedRoom, Json, RawEvent } from '../src/net/matrix'

const ME = '@me:example.org'
const HER = '@her:example.org'
const HIM = '@him:example.org'

let count = 0
const event = (id: string, content: Json, more: Partial<RawEvent> = {}): RawEvent => ({ event_id: id, type: 'm.room.message', sender: HER, origin_server_ts: 1000 + count++, content, ...more })
const text = (id: string, body: string, more: Partial<RawEvent> = {}): RawEvent => event(id, { msgtype: 'm.text', body }, more)
const inThread = (id: string, root: string, body: string, more: Partial<RawEvent> = {}): RawEvent =>
  event(id, { msgtype: 'm.text', body, 'm.relates_to': threadRelation(root, root) }, more)
const arrived = (events: RawEvent[], more: Partial<JoinedRoom> = {}) =>
  readJoined(emptyRoom('!r'), { timeline: { events, limited: true, prev_batch: 'older' }, summary: { 'm.joined_member_count': 3 }, ...more })
const view = ({ room, entries }: { room: Room; entries: Entry[] }, more: Partial<View> = {}): View => ({ room, entries, items: [], me: ME, ignored: [], isStart: false, ...more })
const messages = (seen: View): Message[] => rows(seen).flatMap((row) => (row.kind === 'message' ? [row.message] : []))
const bodies = (seen: View): string[] => messages(seen).map((message) => message.body)

/** A room of three in which HER runs everything, and ME is what is told. */
function roomOf(mine = 0, more: Partial<Room> = {}): Room {
  const member = (name: string) => ({ membership: 'join', name })
  return { ...emptyRoom('!r'), joined: 3, members: { [ME]: member('나'), [HER]: member('그녀'), [HIM]: member('김수') }, powers: { users: { [HER]: 100, [ME]: mine } }, ...more }
}

describe('mentions', () => {
  test.each([
    ['@', 1, { at: 0, words: '' }],
    ['안녕 @김', 5, { at: 3, words: '김' }],
    ['(@kim', 5, { at: 1, words: 'kim' }],
    ['kim@example', 11, null],
    ['@ 김', 3, null],
    ['@김\n', 3, null],
    ['@김수 어디', 3, { at: 0, words: '김수' }],
  ])('what is typed in %j', (typed, caret, found) => {
    expect(typingAt(typed, caret)).toEqual(found)
  })

  test('people are found by name and id, those first whose name begins so', () => {
    const room = roomOf(0, { members: { ...roomOf().members, '@suzy:example.org': { membership: 'join', name: '이김' }, '@gone:x': { membership: 'leave', name: '김' } } })
    expect(callees(room, '김', ME, '모두').map((one) => one.name)).toEqual(['김수', '이김'])
    expect(callees(room, 'SUZ', ME, '모두').map((one) => one.name)).toEqual(['이김'])
    expect(callees(room, '나', ME, '모두')).toEqual([])
  })

  test('everybody is called by those alone who may', () => {
    const all = (mine: number) => callees(roomOf(mine), '모', ME, '모두')
    expect([all(0), all(50)]).toEqual([[], [{ user: '', name: '모두' }]])
  })

  test('a name takes the place of what was typed of it', () => {
    expect(withName('보게 @김 어디', { at: 3, words: '김' }, '김수')).toEqual({ text: '보게 @김수 어디', caret: 7 })
  })

  test('who was picked and still stands in the text is called, with a link that escapes', () => {
    const her = { user: HER, name: 'A<b' }
    const said = spoken('@A<b 와\n@김수야 <i>', [her, { user: HIM, name: '김수' }, { user: '@no:x', name: '없다' }])
    expect(said.mentions).toEqual({ user_ids: [HER, HIM] })
    expect(said.html).toBe(`<a href="https://matrix.to/#/${encodeURIComponent(HER)}">@A&#60;b</a> 와<br><a href="https://matrix.to/#/${encodeURIComponent(HIM)}">@김수</a>야 &#60;i&#62;`)
  })

  test('longer names first, no part of a word, and none for nobody', () => {
    const kim = { user: HIM, name: 'kim' }
    expect(spoken('@kimchi x@kim', [kim])).toEqual({ body: '@kimchi x@kim', mentions: {} })
    expect(spoken('@김수현', [{ user: HIM, name: '김수' }, { user: HER, name: '김수현' }]).mentions).toEqual({ user_ids: [HER] })
    expect(spoken('@모두', [{ user: '', name: '모두' }]).mentions).toEqual({ room: true })
  })

  test('a draft knows its names again', () => {
    expect(namesIn('@김수 그리고 @누구', roomOf(), ME, '모두')).toEqual([{ user: HIM, name: '김수' }])
  })

  test('a message that calls me says so, my own does not', () => {
    const content = { body: '@나', 'm.mentions': { user_ids: [ME] } }
    const [hers, mine, plain] = messages(view(arrived([event('$1', content), event('$2', content, { sender: ME }), text('$3', 'x')])))
    expect([hers!.callsMe, mine!.callsMe, plain!.callsMe]).toEqual([true, false, false])
    expect(isCalled(contentOf({ 'm.mentions': { user_ids: ME, room: 'yes' } })['m.mentions'], ME)).toBe(false)
  })
})

describe('threads', () => {
  const three = () => arrived([text('$root', '뿌리'), inThread('$a', '$root', '하나'), text('$main', '본방'), inThread('$b', '$root', '둘', { sender: HIM })])

  test('stand apart from their room, and are told under their first message', () => {
    const main = messages(view(three()))
    expect(main.map((message) => message.body)).toEqual(['뿌리', '본방'])
    expect(main[0]!.thread).toMatchObject({ count: 2, last: { id: '$b', sender: HIM } })
    expect(main[1]!.thread).toBeUndefined()
    expect(bodies(view(three(), { thread: '$root' }))).toEqual(['뿌리', '하나', '둘'])
  })

  test('an answer that is there for old clients alone is no quotation', () => {
    const [, first] = messages(view(three(), { thread: '$root' }))
    expect(first!.replyTo).toBeUndefined()
    const real = event('$c', { body: '답', 'm.relates_to': threadRelation('$root', '$b', '$a') })
    expect(messages(view(arrived([text('$root', '뿌리'), real]), { thread: '$root' })).at(-1)!.replyTo).toBe('$a')
  })

  test('what was redacted stays in its thread, and is not counted', () => {
    const { room, entries } = three()
    const gone = entries.map((entry) => (entry.id === '$b' ? { ...entry, content: {}, redacted: true } : entry))
    expect(bodies(view({ room, entries: gone }))).toEqual(['뿌리', '본방'])
    expect(messages(view({ room, entries: gone }))[0]!.thread).toMatchObject({ count: 1, last: { id: '$a' } })
  })

  test("the server's count holds for a thread that is not here", () => {
    const told = { 'm.relations': { 'm.thread': { count: 7, latest_event: inThread('$z', '$root', '끝') } } }
    const [root] = messages(view(arrived([text('$root', '뿌리', { unsigned: told }), inThread('$a', '$root', '하나')])))
    expect(root!.thread).toMatchObject({ count: 7, last: { id: '$a' } })
  })

  test('what waits to be sent stands where it was written', () => {
    const item = { txn: 't', seq: 1, room: '!r', type: 'm.room.message', content: { body: '곧', 'm.relates_to': threadRelation('$root', '$b') }, at: 1, tries: 0, notBefore: 0, state: 'queued' as const }
    expect(bodies(view(three(), { items: [item] }))).toEqual(['뿌리', '본방'])
    expect(bodies(view(three(), { items: [item], thread: '$root' })).at(-1)).toBe('곧')
  })

  const receipt = (at: string, user: string, thread?: string) => ({ type: 'm.receipt', content: { [at]: { 'm.read': { [user]: { ts: 1, ...(thread && { thread_id: thread }) } } } } })

  test('a receipt in a thread says nothing of the room, and the other way round; one without says both', () => {
    const unread = (events: { type: string; content: Json }[], thread?: string) => {
      const { room, entries } = readJoined(three().room, { ephemeral: { events } })
      return messages(view({ room, entries: [...three().entries, ...entries] }, thread ? { thread } : {})).map((message) => message.unread)
    }
    expect(unread([])).toEqual([2, 2]) // of three, HER wrote
    expect(unread([receipt('$b', ME, '$root')])).toEqual([2, 2])
    expect(unread([receipt('$main', ME, 'main')])).toEqual([1, 1])
    expect(unread([receipt('$b', ME, '$root')], '$root').at(-1)).toBe(1) // HER alone has not
    expect(unread([receipt('$main', ME, 'main')], '$root').at(-1)).toBe(2)
    expect(unread([receipt('$b', ME)], '$root').at(-1)).toBe(1)
  })

  test('unread messages are counted with those in threads, and each is read by itself', () => {
    const joined: JoinedRoom = {
      unread_notifications: { notification_count: 2, highlight_count: 1 },
      unread_thread_notifications: { $root: { notification_count: 3, highlight_count: 1 }, $old: { notification_count: 0, highlight_count: 0 } },
    }
    const { room } = arrived([text('$root', '뿌리')], joined)
    expect([room.unread, room.highlights, room.threads]).toEqual([5, 2, { $root: { unread: 3, highlights: 1 } }])
    expect(readUpTo(room, ME, '$1', undefined, true)).toMatchObject({ unread: 3, highlights: 1, receipts: { [ME]: '$1' } })
    expect(readUpTo(room, ME, '$2', '$root', true)).toMatchObject({ unread: 2, highlights: 1, threads: {}, receiptsIn: { $root: { [ME]: '$2' } } })
    expect(readJoined(room, { unread_notifications: {} }).room).toMatchObject({ unread: 0, threads: {} })
  })

  test('what the server alone knows has its place among what is here', () => {
    const entry = (id: string, order: number): Entry => ({ id, room: '!r', order, type: 'm.room.message', sender: HER, content: {}, ts: 1 })
    const order = (told: string[], kept: Entry[]) => inOrder(told.map((id) => entry(id, 0)), kept).map((one) => one.id)
    expect(order(['$0', '$1', '$2', '$3'], [entry('$1', 10), entry('$3', 20), entry('$new', 21)])).toEqual(['$0', '$1', '$2', '$3', '$new'])
    expect(order(['$0', '$1'], [])).toEqual(['$0', '$1'])
    expect(order(['$0'], [entry('$new', 5)])).toEqual(['$0', '$new'])
    expect(order(['$8', '$9'], [entry('$1', 1), entry('$8', 8)])).toEqual(['$1', '$8', '$9'])
    expect(order([], [entry('$1', 1)])).toEqual(['$1'])
  })
})

describe('polls', () => {
  const asked = { question: '어디?', isOpen: true, max: 1, answers: [{ id: 'a', text: '산' }, { id: 'b', text: '강' }] }
  const start = (more: Partial<RawEvent> = {}, question = asked) => event('$p', pollContent(question), { type: 'm.poll.start', ...more })
  const vote = (id: string, sender: string, ...ids: string[]) => event(id, voteContent('$p', ids), { type: 'm.poll.response', sender })
  const poll = (...events: RawEvent[]): Poll => messages(view(arrived(events)))[0]!.poll!
  const numbers = ({ votes }: Poll) => Object.values(votes).map((users) => users.length)

  test('are read as they were written', () => {
    expect(contentOf(pollContent(asked)).poll).toEqual(asked)
  })

  test('the older form is read, too', () => {
    const old = {
      'org.matrix.msc3381.poll.start': {
        kind: 'org.matrix.msc3381.poll.undisclosed',
        max_selections: 2,
        question: { 'org.matrix.msc1767.text': '어디?' },
        answers: [{ id: '1', 'org.matrix.msc1767.text': '산' }, { id: '1', body: '같은 것' }, { id: '2', body: '강' }],
      },
    }
    const response = event('$v', { 'org.matrix.msc3381.poll.response': { answers: ['2'] }, 'm.relates_to': { rel_type: 'm.reference', event_id: '$p' } }, { type: 'org.matrix.msc3381.poll.response', sender: ME })
    const read = poll(event('$p', old, { type: 'org.matrix.msc3381.poll.start' }), response)
    expect(read).toMatchObject({ question: '어디?', isOpen: false, max: 2, answers: [{ id: '1', text: '산' }, { id: '2', text: '강' }], mine: ['2'], voters: 1 })
  })

  test('the last choice of each counts; of what is no choice, nothing', () => {
    const read = poll(start(), vote('$1', ME, 'a'), vote('$2', HER, 'b'), vote('$3', ME, 'b'), vote('$4', HIM, 'zzz'))
    expect([numbers(read), read.mine, read.voters]).toEqual([[0, 2], ['b'], 2])
    expect(poll(start(), vote('$1', ME, 'a', 'b')).mine).toEqual(['a'])
    expect(poll(start(), vote('$1', ME, 'a'), vote('$2', ME)).voters).toBe(0)
  })

  test('ends by its author or by who may redact, and by nobody else; later votes do not count', () => {
    const end = (sender: string) => event('$end', endContent('$p', { ...asked, votes: { a: [], b: [] }, mine: [], voters: 0, isEnded: false }, '끝'), { type: 'm.poll.end', sender })
    expect(poll(start(), end(ME)).isEnded).toBe(false)
    const read = poll(start(), vote('$1', ME, 'a'), end(HER), vote('$2', HIM, 'b'))
    expect([read.isEnded, numbers(read), winners(read)]).toEqual([true, [1, 0], ['a']])
    const power = event('$pl', { users: { [ME]: 50 } }, { type: 'm.room.power_levels', state_key: '' })
    expect(poll(power, start(), end(ME)).isEnded).toBe(true)
  })

  test('a press chooses another one, or one more, or takes it back', () => {
    const one: Poll = { ...asked, votes: {}, mine: ['a'], voters: 1, isEnded: false }
    expect([pressed(one, 'b'), pressed(one, 'a')]).toEqual([['b'], []])
    expect([pressed({ ...one, max: 2 }, 'b'), pressed({ ...one, max: 2, mine: ['a', 'b'] }, 'c')]).toEqual([['a', 'b'], ['a', 'b']])
  })

  test('responses and ends are no messages, and a poll that is none breaks nothing', () => {
    expect(messages(view(arrived([start(), vote('$1', ME, 'a')])))).toHaveLength(1)
    const broken: Json[] = [{}, { 'm.poll': 'x' }, { 'm.poll': { answers: 'x' } }, { 'm.poll': { answers: [null, {}, { 'm.id': 1 }] } }, { 'm.poll': { answers: [{ 'm.id': '__proto__' }], question: [] } }]
    for (const content of broken) expect(() => messages(view(arrived([event('$p', content, { type: 'm.poll.start' }), vote('$v', ME, '__proto__')])))).not.toThrow()
    expect(tally({ id: '$p', room: '!r', order: 1, type: 'm.poll.start', sender: ME, content: {}, ts: 1 }, [], ME, () => true)).toBeUndefined()
  })

  test('a form becomes a poll once it asks something and has two different answers', () => {
    expect([drafted(' ', ['a', 'b'], true, false), drafted('q', ['a', 'a ', ''], true, false)]).toEqual([undefined, undefined])
    expect(drafted(' q ', ['a', '', 'b'], false, true)).toEqual({ question: 'q', isOpen: false, max: 2, answers: [{ id: 'a1', text: 'a' }, { id: 'a2', text: 'b' }] })
  })

  test('on its way it is shown as a poll', () => {
    const item = { txn: 't', seq: 1, room: '!r', type: 'm.poll.start', content: pollContent(asked), at: 1, tries: 0, notBefore: 0, state: 'queued' as const }
    expect(messages(view(arrived([text('$1', 'x')]), { items: [item] })).at(-1)).toMatchObject({ kind: 'poll', poll: { question: '어디?', voters: 0 } })
  })
})

test('pins: the notice stands first', () => {
  expect(repinned(['$a'], '$b', 'pin')).toEqual(['$a', '$b'])
  expect(repinned(['$a', '$b'], '$b', 'notice')).toEqual(['$b', '$a'])
  expect(repinned(['$a', '$b'], '$a', 'unpin')).toEqual(['$b'])
  expect([repinned(['$a'], '$a', 'pin'), repinned(['$a'], '$a', 'notice'), repinned([], '$a', 'unpin')]).toEqual([undefined, undefined, undefined])
})

describe('roles', () => {
  test('by power level; whoever made a room of today stands above all levels', () => {
    const create = event('$c', { room_version: '12', additional_creators: [HIM] }, { type: 'm.room.create', state_key: '', sender: ME })
    const { room } = arrived([create, event('$pl', { users: { [HER]: 100 } }, { type: 'm.room.power_levels', state_key: '' })])
    expect([ME, HER, HIM, '@x:y'].map((user) => roleOf(room, user))).toEqual(['owner', 'admin', 'owner', 'member'])
    expect(level(room, ME)).toBe(Infinity)
    const old = arrived([event('$c', { room_version: '11' }, { type: 'm.room.create', state_key: '', sender: ME })]).room
    expect(roleOf(old, ME)).toBe('member') // by its levels alone
  })

  test('are given below one’s own level, to those below it', () => {
    const strict = (mine: number) => roomOf(mine, { powers: { users: { [HER]: 100, [ME]: mine }, events: { 'm.room.power_levels': 100 } } })
    expect([mayGive(roomOf(50), ME, HIM), mayGive(strict(50), ME, HIM)]).toEqual([['moderator'], []])
    expect([mayGive(strict(100), ME, HIM), mayGive(strict(100), ME, HER), mayGive(strict(100), ME, ME)]).toEqual([['admin', 'moderator'], [], ['moderator', 'member']])
    const made = roomOf(0, { creators: [ME] })
    expect([mayGive(made, ME, HER), mayGive(made, ME, ME)]).toEqual([['moderator', 'member'], []])
  })

  test('nobody as high as I am can be removed, and never myself', () => {
    const room = roomOf(100)
    expect([mayRemove(room, ME, HER, 'kick'), mayRemove(room, ME, HIM, 'ban'), mayRemove(room, ME, ME, 'kick'), mayUnban(room, ME, HIM)]).toEqual([false, true, false, true])
    expect(mayRemove(roomOf(0), ME, HIM, 'kick')).toBe(false)
  })

  test('what cannot be undone alone is known before', () => {
    const room = roomOf(100)
    expect([isFinal(room, ME, HIM, 'admin'), isFinal(room, ME, HIM, 'moderator'), isFinal(room, ME, ME, 'member')]).toEqual([true, false, true])
  })

  test('one level changes, and everything else stays', () => {
    const before = { ban: 70, users: { [HER]: 100, [HIM]: 50 } }
    expect(withRole(before, HIM, 'admin')).toEqual({ ban: 70, users: { [HER]: 100, [HIM]: 100 } })
    expect(withRole(before, HIM, 'member')).toEqual({ ban: 70, users: { [HER]: 100 } })
    expect(withRole({ users_default: 50, users: {} }, HIM, 'member')).toEqual({ users_default: 50, users: { [HIM]: 0 } })
  })

  test('what a room is may be set at the level that it names', () => {
    expect([maySet(roomOf(49), ME, 'm.room.topic'), maySet(roomOf(50), ME, 'm.room.topic')]).toEqual([false, true])
    expect(maySet(roomOf(0, { powers: { users: {}, events: { 'm.room.topic': 0 } } }), ME, 'm.room.topic')).toBe(true)
    expect(maySet(roomOf(100, { membership: 'leave' }), ME, 'm.room.topic')).toBe(false)
  })
})

describe('people who leave', () => {
  const leave = (user: string, sender = user) => event('$l', { membership: 'leave' }, { type: 'm.room.member', state_key: user, sender, unsigned: { prev_content: { membership: 'join' } } })
  const events = (joined: number, one: RawEvent) => rows(view(arrived([text('$1', 'x'), one], { summary: { 'm.joined_member_count': joined } }))).filter((row) => row.kind === 'event')

  test('leave quietly, but nobody is left alone without a word', () => {
    expect([events(2, leave(HIM)).length, events(1, leave(HIM)).length]).toEqual([0, 1])
  })

  test('whoever was removed did not leave', () => {
    expect(events(2, leave(HIM, HER))).toHaveLength(1)
  })
})

describe('places in the past', () => {
  test('a jump to what has no row leads to the next that has one', () => {
    const reaction = event('$r', { 'm.relates_to': { rel_type: 'm.annotation', event_id: '$1', key: '+' } }, { type: 'm.reaction' })
    const all = arrived([text('$1', '하나'), reaction, text('$2', '둘')])
    const list = rows(view(all))
    const order = (id: string) => all.entries.find((entry) => entry.id === id)?.order
    expect([rowNear(list, '$1', order('$1')), rowNear(list, '$r', order('$r')), rowNear(list, '$x', undefined)]).toEqual(['$1', '$2', undefined])
  })

  test('who has read how far is not known there', () => {
    expect(messages(view(arrived([text('$1', '하나')]), { isPast: true })).map((message) => message.unread)).toEqual([0])
  })

  test('what was said elsewhere about a message counts', () => {
    const also = arrived([event('$r', { 'm.relates_to': { rel_type: 'm.annotation', event_id: '$1', key: '+' } }, { type: 'm.reaction' })]).entries
    expect(messages(view(arrived([text('$1', '하나')]), { also }))[0]!.reactions).toMatchObject([{ key: '+', users: [HER] }])
  })

  test('a day of the date field begins at midnight here', () => {
    const noon = new Date(2026, 2, 5, 12).getTime()
    expect(dayInput(noon)).toBe('2026-03-05')
    expect(startOfDay('2026-03-05')).toBe(new Date(2026, 2, 5).getTime())
    expect([startOfDay(''), startOfDay('5.3.2026')]).toEqual([undefined, undefined])
  })
})

describe('search', () => {
  const hit = (id: string, room: string, more: Partial<RawEvent> = {}) => ({ ...text(id, id, more), room_id: room }) as RawEvent

  test('shows what stands in rooms that are known, as it reads now', () => {
    const edit = event('$e', { body: '* 새말', 'm.new_content': { body: '새말' } })
    const page = [hit('$1', '!a', { unsigned: { 'm.relations': { 'm.replace': edit } } }), hit('$2', '!b'), hit('$3', '!a', { unsigned: { redacted_because: {} } })]
    const found = foundIn(page, (room) => room === '!a')
    expect(found.map(({ id, room, content }) => [id, room, content.body])).toEqual([['$1', '!a', '새말']])
  })

  test('each once, newest first', () => {
    const entry = (id: string, ts: number): Entry => ({ id, room: '!r', order: 0, type: 'm.room.message', sender: HER, content: {}, ts })
    expect(together([entry('$1', 1), entry('$3', 3)], [entry('$3', 3), entry('$2', 2)]).map((one) => one.id)).toEqual(['$3', '$2', '$1'])
  })
})
