import { describe, expect, test } from 'vitest'
import { actsOf, boardsListed, barsOf, clockOf, kindsOf, listed, merged, newsOf, urgencyOf, waitedOf, type Act, type Request } from '../src/data/board'
import type { Entry } from '../src/data/types'

const MINUTE = 60_000
const wish = (id: string, more: Partial<Request> = {}): Request => ({
  request_id: id.padEnd(16, '0'),
  patient: 'P-1',
  severity: 'urgent',
  needs: ['icu'],
  place: { lat: null, lon: null, area: '서울' },
  note: '',
  requested_by: '@asks:x',
  created: 0,
  deadline: 60 * MINUTE,
  state: 'waiting',
  owner: '@owner:x',
  waiting_since: 0,
  tier: 'owner',
  due: 5 * MINUTE,
  closed: null,
  bed_id: null,
  offer_id: null,
  hospital: null,
  waited_ms: 0,
  number: 7,
  ...more,
})
const ids = (requests: Request[]) => requests.map((request) => request.request_id.replace(/0+$/, ''))
const want = { show: 'open', words: '', sort: 'waited', me: '@me:x', now: 0 } as const

describe('the list', () => {
  const answered = wish('a', { state: 'accepted', waiting_since: 1, due: null })
  const long = wish('b', { waiting_since: 2, deadline: 90 * MINUTE })
  const short = wish('c', { waiting_since: 3, severity: 'critical', owner: '@me:x', place: { area: '부산' } })
  const all = [answered, short, long]

  test('who waits longest comes first, the answered last, unless another order is wanted', () => {
    expect(ids(listed(all, want))).toEqual(['b', 'c', 'a'])
    expect(ids(listed(all, { ...want, sort: 'deadline' }))).toEqual(['c', 'b', 'a'])
    expect(ids(listed(all, { ...want, sort: 'severity' }))).toEqual(['c', 'b', 'a'])
  })

  test('some of it', () => {
    expect(ids(listed(all, { ...want, show: 'mine' }))).toEqual(['c'])
    expect(ids(listed(all, { ...want, show: 'accepted' }))).toEqual(['a'])
    expect(ids(listed(all, { ...want, show: 'late', now: 70 * MINUTE }))).toEqual(['c'])
    expect(ids(listed(all, { ...want, words: '부산 ICU' }))).toEqual(['c'])
    expect(listed(all, { ...want, words: '부산 dialysis' })).toEqual([])
  })

  test('one that was looked at again takes its place, one that is closed or gone leaves it', () => {
    const offered = { ...long, state: 'offered' as const }
    expect(ids(merged(all, [long.request_id], [offered]))).toEqual(['b', 'c', 'a'])
    expect(ids(merged(all, [long.request_id, short.request_id], [{ ...long, state: 'closed' }]))).toEqual(['a'])
  })
})

test('time runs while nobody answers', () => {
  const request = wish('a', { waiting_since: 0, deadline: 100 })
  expect([0, 74, 76, 100].map((now) => urgencyOf(request, now))).toEqual(['calm', 'calm', 'soon', 'late'])
  expect(waitedOf(request, 90)).toBe(90)
  expect(waitedOf({ ...request, state: 'accepted' }, 90)).toBeNull()
  expect([0, 42_000, 725_900, 11_112_000].map(clockOf)).toEqual(['0:00', '0:42', '12:05', '3:05:12'])
})

describe('who may do what', () => {
  const may: Act[] = ['see', 'assign', 'accept', 'decline', 'arrive', 'transfer', 'close']

  test('a coordinator, each step at its time', () => {
    const board = { role: 'coordinator' as const, may, hospital: '@c:x' }
    const acts = (state: Request['state']) => actsOf(wish('a', { state }), board, '@c:x')
    expect(acts('waiting')).toEqual(['assign', 'close'])
    expect(acts('offered')).toEqual(['accept', 'decline', 'close'])
    expect(acts('accepted')).toEqual(['arrive', 'transfer', 'close'])
    expect(acts('closed')).toEqual([])
  })

  test('a hospital for its own beds, a requester for their own requests', () => {
    const hospital = { role: 'provider' as const, may: may.filter((act) => act !== 'assign' && act !== 'close'), hospital: '한빛' }
    const offered = wish('a', { state: 'offered', hospital: '한빛' })
    expect(actsOf(offered, hospital, '@h:x')).toEqual(['accept', 'decline'])
    expect(actsOf({ ...offered, hospital: '다른' }, hospital, '@h:x')).toEqual([])
    const asker = { role: 'requester' as const, may: ['see', 'arrive', 'close'] as Act[], hospital: '@asks:x' }
    expect(actsOf(wish('a', { state: 'accepted' }), asker, '@asks:x')).toEqual(['arrive', 'close'])
    expect(actsOf(wish('a', { state: 'accepted' }), asker, '@other:x')).toEqual([])
  })
})

test('boards where somebody waits come first', () => {
  const board = (room_id: string, title: string, since: number | null) => ({ room_id, title, since, role: 'observer' as const, waiting: since === null ? 0 : 1 })
  const boards = [board('!a', '나', null), board('!b', '다', 20), board('!c', '가', null), board('!d', '라', 10)]
  expect(boardsListed(boards).map((one) => one.room_id)).toEqual(['!d', '!b', '!c', '!a'])
})

test('what a room says of its board', () => {
  const said = (room: string, what: string, request_id?: string) => ({ room, content: { 'io.bongsu.board': { what, ...(request_id && { request_id }) } } }) as Entry
  const other = { room: '!r', content: { body: 'x' } } as Entry
  expect(newsOf([said('!r', 'assign', 'a'), said('!r', 'accept', 'a'), said('!q', 'close', 'b'), other], '!r')).toEqual({ ids: ['a'], all: false, beds: true, people: false })
  expect(newsOf([said('!r', 'lost'), said('!r', 'appoint')], '!r')).toEqual({ ids: [], all: true, beds: true, people: true })
})

test('bars where somebody is, and one before', () => {
  const stats = { bins_ms: [1, 2, 3], counts: [0, 0, 4, 0], waiting_counts: [0, 0, 0, 1] }
  expect(barsOf(stats)).toEqual([
    { upTo: 2, ended: 0, waiting: 0 },
    { upTo: 3, ended: 4, waiting: 0 },
    { upTo: null, ended: 0, waiting: 1 },
  ])
  expect(barsOf({ bins_ms: [1], counts: [0, 0], waiting_counts: [0, 0] })).toEqual([])
})

test('kinds as they were typed', () => {
  expect(kindsOf(' ICU, 중환자 icu ')).toEqual(['icu', '중환자'])
})
