import { describe, expect, test, vi } from 'vitest'
import { CLOSED, failed, isOpen } from '../src/net/breaker'
import { Refused, retryAfter, Unreachable } from '../src/net/errors'
import { nextStage } from '../src/net/matrix'
import { Sites, type World } from '../src/net/sites'

const SEOUL = 'https://seoul.example'
const BUSAN = 'https://busan.example'
type Answer = () => Promise<Response>
const answers = (status = 200): Answer => () => Promise.resolve(new Response('{}', { status }))
const refuses: Answer = () => Promise.reject(new TypeError('connection refused'))

function world(sites: Record<string, Answer>, asked: string[] = []): World {
  return {
    now: () => Date.now(),
    random: () => 0.5,
    fetch: (url, init) => {
      const site = Object.keys(sites).find((one) => url.startsWith(one))!
      asked.push(site)
      return new Promise((resolve, reject) => {
        init.signal?.addEventListener('abort', () => reject(new DOMException('', 'AbortError')))
        sites[site]!().then(resolve, reject)
      })
    },
  }
}

const silent: Answer = () => new Promise(() => {})

describe('breaker', () => {
  test('each failure in a row doubles the pause, up to a longest one', () => {
    let breaker = CLOSED
    const pauses = Array.from({ length: 8 }, () => (breaker = failed(breaker, 0, 0.5)).openUntil)
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
  })

  test('pauses are spread, so that not everybody comes back at once', () => {
    expect([failed(CLOSED, 0, 0).openUntil, failed(CLOSED, 0, 0.999).openUntil]).toEqual([500, 1_499])
    expect([isOpen(failed(CLOSED, 0, 0.5), 999), isOpen(failed(CLOSED, 0, 0.5), 1_000)]).toEqual([true, false])
  })
})

describe('sites', () => {
  test('on refusal the next one is asked at once, and stays the current one', async () => {
    const asked: string[] = []
    const sites = new Sites([SEOUL, BUSAN], world({ [SEOUL]: refuses, [BUSAN]: answers() }, asked))
    const moved = vi.fn()
    sites.onChange = moved
    expect((await sites.ask('/x')).status).toBe(200)
    await sites.ask('/y')
    expect(asked).toEqual([SEOUL, BUSAN, BUSAN])
    expect([sites.url, sites.isElsewhere, moved.mock.calls.length]).toEqual([BUSAN, true, 1])
  })

  test('on silence a second one is asked beside it', async () => {
    vi.useFakeTimers()
    try {
      const asked: string[] = []
      const sites = new Sites([SEOUL, BUSAN], world({ [SEOUL]: silent, [BUSAN]: answers() }, asked))
      const reply = sites.ask('/x', {}, { hedged: true })
      await vi.advanceTimersByTimeAsync(1_400)
      expect(asked).toEqual([SEOUL])
      await vi.advanceTimersByTimeAsync(200)
      expect((await reply).status).toBe(200)
      expect(asked).toEqual([SEOUL, BUSAN])
    } finally {
      vi.useRealTimers()
    }
  })

  test('what may not be at two sites at once is not asked twice on silence', async () => {
    vi.useFakeTimers()
    try {
      const asked: string[] = []
      const sites = new Sites([SEOUL, BUSAN], world({ [SEOUL]: silent, [BUSAN]: answers() }, asked))
      void sites.ask('/x')
      await vi.advanceTimersByTimeAsync(5_000)
      expect(asked).toEqual([SEOUL])
    } finally {
      vi.useRealTimers()
    }
  })

  test('a site that cannot now is passed over; its answer stands if all say so', async () => {
    const half = new Sites([SEOUL, BUSAN], world({ [SEOUL]: answers(503), [BUSAN]: answers() }))
    expect((await half.ask('/x')).status).toBe(200)
    const none = new Sites([SEOUL, BUSAN], world({ [SEOUL]: answers(503), [BUSAN]: answers(503) }))
    expect((await none.ask('/x')).status).toBe(503)
  })

  test('the first site is taken again when it is back', async () => {
    let home = refuses
    const sites = new Sites([SEOUL, BUSAN], { ...world({ [SEOUL]: () => home(), [BUSAN]: answers() }), now: () => now })
    let now = 0
    await sites.ask('/x')
    await sites.tryHome()
    expect(sites.isElsewhere).toBe(true)
    home = answers()
    now = 60_000
    await sites.tryHome()
    expect(sites.isElsewhere).toBe(false)
  })

  test('nobody answers', async () => {
    const sites = new Sites([SEOUL, BUSAN], world({ [SEOUL]: refuses, [BUSAN]: refuses }))
    await expect(sites.ask('/x')).rejects.toBeInstanceOf(Unreachable)
  })

  test('whoever asked may stop waiting', async () => {
    const stop = new AbortController()
    const reply = new Sites([SEOUL], world({ [SEOUL]: silent })).ask('/x', { signal: stop.signal })
    stop.abort()
    await expect(reply).rejects.toMatchObject({ name: 'AbortError' })
  })
})

test('how long a reply asks to wait', () => {
  expect(retryAfter(403, '5', {})).toBeUndefined()
  expect(retryAfter(429, '5', {})).toBe(5_000)
  expect(retryAfter(429, '5', { retry_after_ms: 70 })).toBe(70)
  expect(retryAfter(503, null, {})).toBe(2_000)
})

describe('interactive sign-up', () => {
  const asks = (...flows: string[][]) => new Refused(401, 'M_UNKNOWN', '', { session: 's', flows: flows.map((stages) => ({ stages })) })

  test('the shortest way that this client can go', () => {
    expect(nextStage(asks(['m.login.registration_token'], ['m.login.dummy']), '')).toEqual({ type: 'm.login.dummy', session: 's' })
  })

  test('a token is asked for, then sent', () => {
    const error = asks(['m.login.registration_token'])
    expect(() => nextStage(error, '')).toThrow(expect.objectContaining({ code: 'BONGSU_TOKEN_WANTED' }))
    expect(nextStage(error, 'abc')).toMatchObject({ type: 'm.login.registration_token', token: 'abc' })
  })

  test('what it cannot do is said', () => {
    expect(() => nextStage(asks(['m.login.recaptcha']), '')).toThrow(expect.objectContaining({ code: 'M_UNRECOGNIZED' }))
  })
})
