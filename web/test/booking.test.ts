import { expect, test } from 'vitest'
import { current, dayOf, fits, guestName, isSought, momentOf, paceOf, readTicket, sorted, standingOf, typedOf, type Offer } from '../src/data/booking'
import type { Guest, MyBooking } from '../src/net/interface'

const offer = (more: Partial<Offer> = {}): Offer => ({
  offer_id: 'o1',
  provider: '@p:x',
  title: '잔여백신',
  place: '보건소',
  area: '서울 종로',
  starts_at: 1_000,
  ends_at: 2_000,
  opens_at: 0,
  capacity: 2,
  available: 1,
  hold_seconds: 0,
  state: 'open',
  ...more,
})

test('what can be done with an offer', () => {
  expect(standingOf(offer(), 0)).toBe('free')
  expect(standingOf(offer({ available: 0 }), 0)).toBe('full')
  expect(standingOf(offer({ state: 'announced' }), 0)).toBe('early')
  expect(standingOf(offer({ state: 'closed' }), 0)).toBe('over')
  expect(standingOf(offer(), 2_000)).toBe('over')
})

test('guests are named as they call themselves, and found by that, by their id and by their number', () => {
  const named: Guest = { booking_id: 'b12ab', user_id: '@kim1987:x', display_name: '김하나', state: 'booked', arrival: 1 }
  const unnamed: Guest = { ...named, user_id: '@lee:x', display_name: null }
  expect([named, unnamed].map(guestName)).toEqual(['김하나', 'lee'])
  for (const words of ['하나', ' 김하나 ', '하나'.normalize('NFD'), 'KIM', 'b12', '']) expect(isSought(named, words)).toBe(true)
  for (const words of ['하나', '2ab', 'kim']) expect(isSought(unnamed, words)).toBe(false)
})

test.each([
  [0, 600, 660, 630],
  [0, 600, 615, 600],
  [600, 600, 620, 610],
  [600, 0, 720, 690],
])('nobody begins to wait who could not come in time: opens %d, starts %d, ends %d', (opens, starts, ends, until) => {
  const full = offer({ opens_at: opens * 60_000, starts_at: starts * 60_000, ends_at: ends * 60_000, available: 0 })
  expect([until * 60_000 - 1, until * 60_000].map((now) => standingOf(full, now))).toEqual(['full', 'late'])
})

test('a booking that is over is none', () => {
  const booking = { booking_id: 'b1', offer_id: 'o1', state: 'held', made_at: 0 }
  expect(current(offer({ booking }))).toEqual(booking)
  expect(current(offer({ booking: { ...booking, state: 'expired' } }))).toBeUndefined()
  expect(current(offer())).toBeUndefined()
})

test('who is far back in the line asks seldom, and a held place is watched to its end', () => {
  expect([1, 40, 400, 99_999].map((position) => paceOf({ state: 'waiting', position }, 0))).toEqual([2_000, 2_000, 20_000, 120_000])
  expect([60_000, 1_000, 0].map((until) => paceOf({ state: 'held', until }, 500))).toEqual([5_000, 1_000, 500])
  expect(paceOf(undefined, 0)).toBe(60_000)
  const asked = Array.from({ length: 10_000 }, (_, at) => 1_000 / paceOf({ state: 'waiting', position: at + 1 }, 0))
  expect(asked.reduce((sum, one) => sum + one, 0)).toBeLessThan(170)
})

test('those to come, the next first; then what was', () => {
  const one = (id: string, state: string, starts_at: number, ends_at = starts_at + 10) =>
    ({ booking_id: id, offer_id: id, state, made_at: 0, offer: { title: '', place: '', area: '', starts_at, ends_at, state: 'open' } }) as MyBooking
  const all = [one('a', 'booked', 50), one('b', 'waiting', 20), one('c', 'cancelled', 90), one('d', 'booked', 1)]
  const { coming, past } = sorted(all, 15)
  expect([coming, past].map((part) => part.map((each) => each.booking_id))).toEqual([['b', 'a'], ['c', 'd']])
})

test('what somebody looks for', () => {
  expect(fits(offer(), { words: '백신 종로', onlyFree: true })).toBe(true)
  expect(fits(offer({ available: 0 }), { words: '', onlyFree: true })).toBe(false)
  expect(fits(offer(), { words: '부산', onlyFree: false })).toBe(false)
})

test('moments as they are typed', () => {
  const at = new Date(2027, 0, 2, 9, 30).getTime()
  expect(typedOf(at)).toBe('2027-01-02T09:30')
  expect(momentOf('2027-01-02T09:30')).toBe(at)
  expect(momentOf('')).toBeNull()
  expect(dayOf('2027-01-02', 1)).toBe(new Date(2027, 0, 3).getTime())
  expect(dayOf('soon')).toBeNull()
})

test('a ticket is read without a network, if it was signed with one of the keys', async () => {
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair
  const older = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair
  const said = async (known: CryptoKeyPair) => Buffer.from(await crypto.subtle.exportKey('raw', known.publicKey)).toString('base64')
  const keys = [await said(older), await said(pair)]
  const ticket = { booking_id: 'b1', offer_id: 'o1', starts_at: 1, ends_at: 2 }
  const signed = `B1.${Buffer.from(JSON.stringify(ticket)).toString('base64url')}`
  const signature = await crypto.subtle.sign('Ed25519', pair.privateKey, Buffer.from(signed))
  const text = `${signed}.${Buffer.from(signature).toString('base64url')}`
  expect(await readTicket(text, keys)).toEqual(ticket)
  expect(await readTicket(text, keys.slice(0, 1))).toBeNull()
  const other = `B1.${Buffer.from(JSON.stringify({ ...ticket, booking_id: 'b2' })).toString('base64url')}.${text.split('.')[2]}`
  for (const wrong of [other, 'B1.x.!', 'hello', `${signed}.AAAA`]) expect(await readTicket(wrong, keys)).toBeNull()
})
