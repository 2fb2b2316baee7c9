import { expect, test } from 'vitest'
import {
  callsItselfAdvertising,
  conditionOf,
  exampleOf,
  heldAtNight,
  isHttps,
  isVariableName,
  ledgerCsv,
  morningAfter,
  paceOf,
  proofsOf,
  reached,
  sectionsFor,
  shareOf,
  shownTo,
  stepsOf,
  variablesIn,
  variablesOf,
} from '../src/data/manage'
import type { BroadcastSaid, EndpointSaid } from '../src/net/interface'

const korea = (text: string): number => Date.parse(`${text}+09:00`)
const broadcast = (state: BroadcastSaid['state'], more: Partial<BroadcastSaid> = {}): BroadcastSaid => ({
  broadcast_id: 'b1',
  channel_id: 'c1',
  author: '@a:b',
  body: '',
  advertising: false,
  state,
  starts_at: 0,
  made_ts: 0,
  ...more,
})

test('each role sees what it may do', () => {
  expect(sectionsFor('agent')).toEqual(['desk', 'templates', 'staff', 'mark'])
  expect(sectionsFor('editor')).not.toContain('desk')
  expect(sectionsFor('editor')).toContain('broadcasts')
  expect(sectionsFor('owner')).toHaveLength(12)
})

test.each([
  ['(광고) 반값', true],
  [' ( 광고 )반값', true],
  ['[광고]', true],
  ['<광고>', true],
  ['반값 (광고)', false],
  ['광고합니다', false],
])('%s calls itself advertising: %s', (body, is) => {
  expect(callsItselfAdvertising(body)).toBe(is)
})

test('advertising is shown with its mark, whose it is, and how to refuse it', () => {
  const lines = shownTo('빵집', { body: '(광고) 반값 ', advertising: true, buttons: [{ label: '예약', url: 'https://a.b' }] }).split('\n')
  expect(lines).toEqual(['(광고) 빵집', '반값', '예약: https://a.b', '', '무료수신거부: 🚫 반응 또는 !거부 · To refuse advertising: react 🚫 or say !refuse'])
  expect(shownTo('빵집', { body: ' 쉽니다 ', advertising: false, buttons: [] })).toBe('쉽니다')
})

test('it reaches those who agreed, and holds those who did not agree to the night', () => {
  const audience = { followers: 5, advertising: 3, advertising_at_night: 1 }
  expect([reached(audience, false), reached(audience, true), heldAtNight(audience)]).toEqual([5, 3, 2])
})

test.each([
  ['2026-11-26T20:59:59', undefined],
  ['2026-11-26T21:00:00', '2026-11-27T08:00:00'],
  ['2026-11-27T00:00:00', '2026-11-27T08:00:00'],
  ['2026-11-27T07:59:59', '2026-11-27T08:00:00'],
  ['2026-11-27T08:00:00', undefined],
])('at %s the night ends: %s', (at, ends) => {
  expect(morningAfter(korea(at))).toBe(ends && korea(ends))
})

test('a bar fills as people get it', () => {
  expect(shareOf(broadcast('scheduled'))).toBe(0)
  expect(shareOf(broadcast('running', { audience: 4, sent: 1, refused: 1 }))).toBe(0.5)
  expect(shareOf(broadcast('running', { audience: 0 }))).toBe(0)
  expect(shareOf(broadcast('done', { audience: 0 }))).toBe(1)
  expect(shareOf(broadcast('cancelled', { audience: 4, sent: 2 }))).toBe(0.5)
})

test('what runs is watched, and what comes soon', () => {
  expect(paceOf([], 0)).toBe(30_000)
  expect(paceOf([broadcast('done'), broadcast('running')], 0)).toBe(1_500)
  expect(paceOf([broadcast('scheduled', { starts_at: 9_000 })], 0)).toBe(9_000)
  expect(paceOf([broadcast('scheduled', { starts_at: 10 ** 9 })], 0)).toBe(30_000)
  expect(paceOf([broadcast('scheduled', { starts_at: 100 })], 200)).toBe(1_500)
})

test.each([
  ['https://a.b/c', true],
  ['https://', false],
  ['http://a.b', false],
  ['https://a b', false],
  ['javascript:alert(1)', false],
])('%s is an address for a button: %s', (url, is) => {
  expect(isHttps(url)).toBe(is)
})

test('variables are those that are used, and keep what is known of them', () => {
  const text = { body: '#{이름}님 #{때} #{이름}', buttons: [{ kind: 'link' as const, label: 'l', url: 'https://a.b/#{번호}' }] }
  expect(variablesIn(text)).toEqual(['이름', '때', '번호'])
  expect(variablesOf(text, [{ name: '때', kind: 'time', characters_max: 5 }, { name: '헌것' }])).toEqual([
    { name: '이름', kind: 'text', characters_max: 50 },
    { name: '때', kind: 'time', characters_max: 5 },
    { name: '번호', kind: 'text', characters_max: 50 },
  ])
  expect(exampleOf(text.body, [{ name: '때', kind: 'time' }])).toBe('이름님 14:30 이름')
})

test.each([
  ['이름', true],
  ['_a1', true],
  ['1a', false],
  ['a b', false],
  ['', false],
  ['가'.repeat(31), false],
])('%s is the name of a variable: %s', (name, is) => {
  expect(isVariableName(name)).toBe(is)
})

test('what can be done with a template depends on its state, and on what is sent', () => {
  expect(stepsOf('draft', false)).toEqual(['submit', 'edit'])
  expect(stepsOf('draft', true)).toEqual(['submit', 'edit', 'retire'])
  expect(stepsOf('submitted', false)).toEqual(['withdraw'])
  expect(stepsOf('approved', true)).toEqual(['edit', 'retire'])
  expect(stepsOf('refused', false)).toEqual(['edit'])
})

test('an endpoint works, fails, or is disabled', () => {
  const endpoint: EndpointSaid = { endpoint_id: 'w1', url: 'https://a.b', types: [], made_by: '@a:b', made_ts: 1, owed: 0 }
  expect(conditionOf(endpoint)).toBe('new')
  expect(conditionOf({ ...endpoint, taken_ts: 2 })).toBe('well')
  expect(conditionOf({ ...endpoint, taken_ts: 2, failing_since: 3 })).toBe('failing')
  expect(conditionOf({ ...endpoint, failing_since: 3, disabled_ts: 4 })).toBe('disabled')
})

test('what was agreed to is compared with the words that are shown now', () => {
  const texts = [{ consent: 'follow' as const, korean: '', english: '', sha256: 'aa' }]
  const entry = (number: number, action: string, details: Record<string, unknown>) => ({ number, at_ms: number, deed: { actor: '@a:b', action, details } })
  const entries = [
    entry(1, 'agreed', { consent: 'follow', how: 'request', text_version: '1', text_sha256: 'aa' }),
    entry(2, 'withdrew', { consent: 'follow', how: 'reaction' }),
    entry(3, 'agreed', { consent: 'follow', how: 'request', text_version: '0', text_sha256: 'bb', channel: '=1+"1"' }),
  ]
  expect(proofsOf(entries, texts).map(({ action, how, words }) => [action, how, words])).toEqual([
    ['agreed', 'request', 'same'],
    ['withdrew', 'reaction', undefined],
    ['agreed', 'request', 'other'],
  ])
  const lines = ledgerCsv('@a:b', entries).split('\r\n')
  expect(lines).toHaveLength(5)
  expect(lines[1]).toBe('"1","1970-01-01T00:00:00.001Z","\'@a:b","agreed","follow","request","1","aa","",""')
  expect(lines[3]).toContain(`"'=1+""1"""`)
})
