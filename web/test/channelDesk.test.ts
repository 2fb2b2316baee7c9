import { describe, expect, test } from 'vitest'
import { actsOf, answering, blocksOf, closingOf, faultOf, hoursFrom, isUnread, keyOf, linesOf, merged, nextWaiting, NO_WEEK, placeOf, quantilesOf, repliesFor, slashed, urgencyOf, waitedOf, weekOf, withOlder, withShown, type Talk } from '../src/data/channelDesk'
import type { MessageSaid, Reply } from '../src/net/interface'

const talk = (id: string, more: Partial<Talk> = {}): Talk => ({ conversation_id: id, customer: '@c:x', state: 'waiting', newest_ts: 5, ...more })
const said = (event_id: string, sent_ts: number, body: string, more: Partial<MessageSaid> = {}): MessageSaid => ({ event_id, sent_ts, sender: 'customer', content: { msgtype: 'm.text', body }, ...more })
const edit = (event_id: string, sent_ts: number, of: string, body: string, more: Partial<MessageSaid> = {}): MessageSaid =>
  said(event_id, sent_ts, `* ${body}`, { content: { msgtype: 'm.text', body: `* ${body}`, 'm.new_content': { msgtype: 'm.text', body }, 'm.relates_to': { rel_type: 'm.replace', event_id: of } }, ...more })

describe('who may do what', () => {
  const agent = { me: '@a:x', isLead: false, hasBot: true }
  const others = { state: 'open', agent: '@b:x' }
  test('an agent acts on what is theirs or nobody’s, and who leads on all', () => {
    expect(actsOf({ state: 'waiting' }, agent)).toEqual(['take', 'to_bot', 'close'])
    expect(actsOf({ state: 'waiting' }, { ...agent, hasBot: false })).toEqual(['take', 'close'])
    expect(actsOf({ state: 'bot' }, agent)).toEqual(['take', 'close'])
    expect(actsOf({ state: 'closed' }, agent)).toEqual(['take'])
    expect(actsOf({ state: 'open', agent: '@a:x' }, agent)).toEqual(['give', 'give_back', 'to_bot', 'close'])
    expect(actsOf(others, agent)).toEqual([])
    expect(actsOf(others, { ...agent, isLead: true, hasBot: false })).toEqual(['give', 'give_back', 'close'])
  })

  test('an answer takes what nobody has, and is not said over another agent', () => {
    expect([answering({ state: 'waiting' }, '@a:x'), answering({ state: 'closed' }, '@a:x'), answering({ state: 'open', agent: '@a:x' }, '@a:x'), answering(others, '@a:x')]).toEqual(['takes', 'takes', 'now', 'not'])
  })
})

describe('lists', () => {
  test('how long somebody waits, and how urgent that is', () => {
    expect([waitedOf(talk('1'), 9), waitedOf(talk('1', { waiting_since: 4 }), 9), waitedOf(talk('1', { waiting_since: 12 }), 9)]).toEqual([undefined, 5, 0])
    expect([undefined, 59_999, 60_000, 300_000].map(urgencyOf)).toEqual(['calm', 'calm', 'soon', 'late'])
  })

  test('the next one is who waits longest, then the one after what is open', () => {
    const waiting = [talk('1'), talk('2')]
    expect([undefined, 'else', '1', '2'].map((open) => nextWaiting(waiting, open))).toEqual(['1', '1', '2', '1'])
    expect([nextWaiting([], undefined), nextWaiting([talk('1')], '1')]).toEqual([undefined, undefined])
  })

  test('what the customer wrote since it was shown is unread, and nothing that the channel said', () => {
    const shown = { since: 3, at: { '1': 5 } }
    const unread = (id: string, newest_ts: number, sender: string) => isUnread(talk(id, { newest_ts, newest: { sender } }), shown)
    expect([unread('1', 5, 'customer'), unread('1', 6, 'customer'), unread('1', 6, 'channel'), unread('2', 3, 'customer'), unread('2', 4, 'customer')]).toEqual([false, true, false, false, true])
  })

  test('what was shown is kept of the newest, and never goes back', () => {
    const once = withShown({ since: 0, at: {} }, '1', 5)
    expect(withShown(once, '1', 4)).toBe(once)
    let many = once
    for (let number = 0; number < 600; number++) many = withShown(many, `c${number}`, 10 + number)
    expect(Object.keys(many.at)).toHaveLength(500)
    expect(many.at['c599']).toBe(609)
    expect(many.since).toBe(109)
  })
})

describe('what was said', () => {
  test('messages, notes and turns stand in order; edits change what they are about', () => {
    const messages = [
      edit('e3', 40, 'e1', '남의 고침', { sender: 'channel' }),
      edit('e2', 30, 'e1', '재고 두 개요'),
      said('a', 20, '네', { sender: 'channel', kind: 'agent', author: '@a:x', message_id: 'm1', read: true }),
      said('e1', 10, '재고요'),
    ]
    const lines = linesOf({ messages, next: undefined }, [{ note_id: 'n', author: '@a:x', body: '단골', made_ts: 15 }], [{ agent: '@a:x', from_ts: 12, until_ts: 25 }])
    expect(lines.map((line) => [line.kind, line.id])).toEqual([['said', 'e1'], ['turn', 'turn 12'], ['note', 'n'], ['said', 'a'], ['turn', 'end 25']])
    expect(lines[0]).toMatchObject({ body: '재고요', isEdited: false }) // the newest edit is somebody else's
    expect(linesOf({ messages: messages.slice(1), next: undefined }, [], [])[0]).toMatchObject({ body: '재고 두 개요', isEdited: true })
    expect(lines[3]).toMatchObject({ author: '@a:x', by: 'agent', messageId: 'm1', isRead: true })
  })

  test('who hands over ends nothing, and what is older than what was read waits', () => {
    const turns = [{ agent: '@a:x', from_ts: 5, until_ts: 20 }, { agent: '@b:x', from_ts: 20, until_ts: null }]
    const lines = linesOf({ messages: [said('1', 10, '.')], next: 'more' }, [{ note_id: 'n', author: '@a:x', body: '.', made_ts: 4 }], turns)
    expect(lines.map((line) => line.id)).toEqual(['1', 'turn 20'])
  })

  test('answers to messages are shown without what they quote, files by their kind', () => {
    const reply = said('1', 1, '> <@a:x> 네\n\n좋아요', { content: { msgtype: 'm.text', body: '> <@a:x> 네\n\n좋아요', 'm.relates_to': { 'm.in_reply_to': { event_id: 'x' } } } })
    const photo = said('2', 2, 'p', { content: { msgtype: 'm.image', body: 'p.jpg', url: 'mxc://x/1', info: { size: 5 } } })
    const trap = said('3', 3, 't', { content: { msgtype: 'm.image', body: 't', url: 'https://x/1' } })
    const lines = linesOf({ messages: [trap, photo, reply], next: undefined }, [], [])
    expect(lines[0]).toMatchObject({ body: '좋아요' })
    expect(lines[1]).toMatchObject({ file: { uri: 'mxc://x/1', isPicture: true, size: 5 } })
    expect(lines[2]).toMatchObject({ file: undefined })
  })

  test('a new page over what was read; where they do not meet, the rest is read anew', () => {
    const before = { messages: [said('2', 2, '.'), said('1', 1, '.')], next: 'a' }
    expect(merged(before, { messages: [said('3', 3, '.'), said('2', 2, '!')], next: 'b' })).toMatchObject({ messages: [{ event_id: '3' }, { event_id: '2', content: { body: '!' } }, { event_id: '1' }], next: 'a' })
    expect(merged(before, { messages: [said('9', 9, '.')], next: 'b' })).toMatchObject({ messages: [{ event_id: '9' }], next: 'b' })
    expect(withOlder(before, { messages: [said('1', 1, '.'), said('0', 0, '.')], next: undefined })).toMatchObject({ messages: [{ event_id: '2' }, { event_id: '1' }, { event_id: '0' }], next: undefined })
  })
})

test('a shortcut is found by its letter, also while Hangul is typed', () => {
  const keys = [{ key: 'N', code: 'KeyN' }, { key: 'ㅜ', code: 'KeyN' }, { key: 'Process', code: 'KeyT' }, { key: '?', code: 'Slash' }, { key: 'n', code: 'KeyL' }, { key: 'Enter', code: 'Enter' }]
  expect(keys.map(keyOf)).toEqual(['n', 'n', 't', '?', 'n', 'Enter'])
})

describe('kept answers', () => {
  const reply = (name: string, body: string): Reply => ({ reply_id: name, name, body, changed_by: '', changed_ts: 0 })
  const kept = [reply('배송 조회', '송장 번호'), reply('영업시간', '9시부터'), reply('Hello', '안녕하세요')]
  test('a slash asks for them, anything else does not', () => {
    expect(['/', '/영업', '//', 'a/', '/a\nb', ''].map(slashed)).toEqual(['', '영업', '/', undefined, undefined, undefined])
    expect(repliesFor(kept, '').map((each) => each.name)).toEqual(['배송 조회', '영업시간', 'Hello'])
    expect(repliesFor(kept, '조회').map((each) => each.name)).toEqual(['배송 조회'])
    expect(repliesFor(kept, '시').map((each) => each.name)).toEqual(['영업시간'])
    expect(repliesFor(kept, '번호').map((each) => each.name)).toEqual(['배송 조회'])
    expect(repliesFor(kept, 'hel').map((each) => each.name)).toEqual(['Hello'])
  })
})

describe('opening hours', () => {
  const hours = [
    { days: ['mon' as const, 'tue' as const], opens: '09:00', closes: '12:30' },
    { days: ['mon' as const], opens: '13:30', closes: '18:00' },
    { days: ['sun' as const], opens: '22:00', closes: '02:00' },
  ]
  test('they come back as they were', () => {
    expect(hoursFrom(weekOf(hours))).toEqual(hours)
    expect(weekOf(hours).mon).toEqual([{ opens: 540, closes: 750 }, { opens: 810, closes: 1080 }])
  })

  test('past midnight it is drawn on the next day', () => {
    expect(blocksOf(weekOf(hours)).sun).toEqual([{ from: 1320, to: 1440 }])
    expect(blocksOf(weekOf(hours)).mon[0]).toEqual({ from: 0, to: 120 })
  })

  test('what cannot be saved is told', () => {
    const whole = { opens: 0, closes: closingOf('00:00') }
    expect(faultOf(NO_WEEK)).toBe('nothing')
    expect(faultOf(weekOf(hours))).toBeUndefined()
    expect(faultOf({ ...NO_WEEK, mon: [whole] })).toBeUndefined()
    expect(hoursFrom({ ...NO_WEEK, mon: [whole] })).toEqual([{ days: ['mon'], opens: '00:00', closes: '24:00' }])
    expect(faultOf({ ...NO_WEEK, mon: [{ opens: 540, closes: 540 }] })).toBe('same')
    expect(faultOf({ ...NO_WEEK, mon: [{ opens: 540, closes: 720 }, { opens: 700, closes: 800 }] })).toBe('overlap')
    expect(faultOf({ ...NO_WEEK, mon: [{ opens: 1380, closes: 120 }], tue: [{ opens: 60, closes: 300 }] })).toBe('overlap')
    const many = Array.from({ length: 15 }, (_, at) => ({ opens: at * 60, closes: at * 60 + 30 }))
    expect(faultOf({ ...NO_WEEK, fri: many })).toBe('many')
  })
})

test('times on an axis: each step is as many times as long', () => {
  expect([1, 10_000, 86_400_000, 10 ** 12].map(placeOf)).toEqual([0, 0, 1, 1])
  expect(placeOf(60_000)).toBeGreaterThan(0.15)
  expect(quantilesOf({ count: 1, median: 5, p90: 5, p99: null, longest: 5 }).map((each) => each.name)).toEqual(['median', 'p90', 'longest'])
})
