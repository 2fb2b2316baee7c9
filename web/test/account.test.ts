import { expect, test } from 'vitest'
import { gather, isWholeZip } from '../src/data/ownData'
import { isStale, pusherOf, showsOf } from '../src/data/push'
import { hasDay, nextMorning, quietOf, toggleDay } from '../src/data/quiet'
import { isApp, isFor, lacksText, noticeOf, parsePush, type Pushed } from '../src/worker/telling'

// --- quiet hours ---

test('quiet hours are read in full, whatever is there', () => {
  const none = { enabled: false, time_zone: 'Asia/Seoul', spans: [], paused_until_ms: 0, let_through: { mentions: false, users: [], rooms: [] } }
  for (const content of [undefined, null, 7, {}, { spans: 'x', let_through: 3 }]) expect(quietOf(content, 'Asia/Seoul')).toEqual(none)
  const told = quietOf({ enabled: true, time_zone: 'UTC', spans: [{ from: '22:00', to: '07:00', days: [7, 1, 1, 9] }, { from: '9', to: '10:00' }], let_through: { users: ['@a:x', 1] } }, 'Asia/Seoul')
  expect(told.spans).toEqual([{ from: '22:00', to: '07:00', days: [1, 7] }])
  expect(told.let_through.users).toEqual(['@a:x'])
})

test('every day is no day by name, and one stays', () => {
  const span = { from: '22:00', to: '07:00' }
  const but = toggleDay(span, 7)
  expect(but.days).toEqual([1, 2, 3, 4, 5, 6])
  expect([hasDay(span, 7), hasDay(but, 7)]).toEqual([true, false])
  expect(toggleDay(but, 7).days).toEqual([])
  expect(toggleDay({ ...span, days: [3] }, 3).days).toEqual([3])
})

test('the next morning is always ahead', () => {
  const noon = new Date(2026, 10, 24, 12).getTime()
  expect(new Date(nextMorning(noon, 7))).toEqual(new Date(2026, 10, 25, 7))
  expect(new Date(nextMorning(new Date(2026, 10, 24, 3).getTime(), 7))).toEqual(new Date(2026, 10, 24, 7))
  expect(new Date(nextMorning(new Date(2026, 10, 24, 7).getTime(), 7))).toEqual(new Date(2026, 10, 25, 7))
})

// --- pushes ---

const SUBSCRIPTION: PushSubscriptionJSON = { endpoint: 'https://push.example/1', keys: { p256dh: 'key', auth: 'secret' } }

test('a subscription is a pusher', () => {
  const body = pusherOf(SUBSCRIPTION, 'nothing', 'ko', 'Bongsu Web', 'DEVICE')
  expect(body).toMatchObject({ kind: 'webpush', pushkey: 'key', lang: 'ko' })
  expect(body['data']).toEqual({ url: 'https://push.example/1', auth: 'secret', lang: 'ko', shows: 'nothing', device: 'DEVICE', format: 'event_id_only' })
  const kept = { body, at: 1_000 }
  expect(showsOf(kept)).toBe('nothing')
  expect(showsOf(undefined)).toBe('text')
  expect(isStale(kept, body, 2_000)).toBe(false)
  expect(isStale(kept, body, 2_000 + 86_400_000)).toBe(true)
  expect(isStale(kept, pusherOf(SUBSCRIPTION, 'text', 'ko', 'Bongsu Web', 'DEVICE'), 2_000)).toBe(true)
})

const PUSH: Pushed = { event_id: '$e', room_id: '!r:x', type: 'm.room.message', sender: '@e:x', sender_display_name: '에린', room_name: '불끄기', data: { lang: 'ko' } }

test('who says what, and where', () => {
  expect(noticeOf({ ...PUSH, tweaks: { sound: 'default' } }, { msgtype: 'm.text', body: ' 산불이오 ' })).toEqual({ title: '불끄기', body: '에린: 산불이오', tag: '!r:x', silent: false })
  expect(noticeOf({ ...PUSH, room_name: '에린' }, { msgtype: 'm.image', body: 'a.png' })).toMatchObject({ title: '에린', body: '사진', silent: true })
  expect(noticeOf({ ...PUSH, type: 'm.room.encrypted' }, undefined)?.body).toBe('에린: 암호화된 메시지')
  expect(noticeOf({ ...PUSH, type: 'm.room.member', membership: 'invite', user_is_target: true, data: { lang: 'en' } }, undefined)?.body).toBe('에린: invited you to a chat')
  expect(noticeOf(PUSH, { body: { no: 'text' } })?.body).toBe('에린: 새 메시지가 있습니다')
})

test('only that there is something, if the person wants so', () => {
  const hidden: Pushed = { ...PUSH, data: { lang: 'en', shows: 'nothing' } }
  expect(noticeOf(hidden, { body: 'secret' })).toEqual({ title: 'Bongsu', body: 'You have a new message', tag: '!r:x', silent: true })
  expect(lacksText(hidden)).toBe(false)
  expect(lacksText(PUSH)).toBe(true)
  expect(lacksText({ ...PUSH, content: {} })).toBe(false)
})

test('what was on its way to somebody who signed out is shown to nobody who comes after', () => {
  const push = { event_id: '$a', room_id: '!r', data: { device: 'HERS' } }
  expect([isFor(push, { device: 'HERS' }), isFor(push, { device: 'HIS' }), isFor(push, undefined)]).toEqual([true, false, false])
  expect([isFor({}, { device: 'HIS' }), isFor({}, undefined)]).toEqual([true, false]) // set by an older app
})

test('only the app itself shows what is pushed', () => {
  expect(['/app/', '/app', '/app/room/x', '/', '/status', '/application', '/account/app/'].map((path) => isApp(`https://a.example${path}?x=/app/`))).toEqual([true, true, true, false, false, false, false])
})

test('what is no push tells nothing', () => {
  for (const text of ['', 'nonsense', 'null', '7', '{"counts":{"unread":0}}']) expect(noticeOf(parsePush(text), undefined)).toBeNull()
})

// --- one's own data ---

test('a file that was cut off is not taken for whole', async () => {
  const end = new Uint8Array([0x50, 0x4b, 5, 6, ...Array<number>(18).fill(0)])
  const seen: number[] = []
  const file = await gather(new Response(new Blob([new Uint8Array(100), end])), (bytes) => seen.push(bytes))
  expect(await isWholeZip(file)).toBe(true)
  expect(seen.at(-1)).toBe(122)
  expect(await isWholeZip(file.slice(0, 121))).toBe(false)
  expect(await isWholeZip(new Blob([]))).toBe(false)
})
