import { describe, expect, test, vi } from 'vitest'
import { CLOSED, failed, isOpen } from '../src/net/breaker'
import { Refused, retryAfter, Unreachable, Unsure } from '../src/net/errors'
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

/** Sends its headers and a byte, then nothing. */
function stopping(init: RequestInit): Promise<Response> {
  const start = (body: ReadableStreamDefaultController<Uint8Array>) => {
    body.enqueue(new Uint8Array([123]))
    init.signal?.addEventListener('abort', () => body.error(new DOMException('', 'AbortError')))
  }
  return Promise.resolve(new Response(new ReadableStream<Uint8Array>({ start })))
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
      const reply = sites.ask('/x', {}, { again: 'beside' })
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
      const reply = sites.ask('/x')
      await vi.advanceTimersByTimeAsync(5_000)
      expect(asked).toEqual([SEOUL])
      await vi.advanceTimersByTimeAsync(8_000)
      expect(asked).toEqual([SEOUL, BUSAN])
      expect((await reply).status).toBe(200)
    } finally {
      vi.useRealTimers()
    }
  })

  test('what would happen twice goes out once: to a site that is there, and never to another', async () => {
    vi.useFakeTimers()
    try {
      const asked: string[] = []
      const there = world({ [SEOUL]: silent, [BUSAN]: answers() })
      const sites = new Sites([SEOUL, BUSAN], {
        ...there,
        fetch: (url, init) => {
          asked.push(url)
          return url === `${BUSAN}/x` ? new Promise((_, reject) => init.signal!.addEventListener('abort', () => reject(new Error()))) : there.fetch(url, init)
        },
      })
      const reply = sites.ask('/x', { method: 'POST' }, { again: 'never' })
      const failure = expect(reply).rejects.toBeInstanceOf(Unsure)
      await vi.advanceTimersByTimeAsync(60_000)
      await failure
      expect(asked).toEqual([`${SEOUL}/health/ready`, `${BUSAN}/health/ready`, `${BUSAN}/x`])
    } finally {
      vi.useRealTimers()
    }
  })

  test('what would happen twice does not go out when no site is there, and a lost answer is not called a refusal', async () => {
    const none = new Sites([SEOUL, BUSAN], world({ [SEOUL]: refuses, [BUSAN]: refuses }))
    await expect(none.ask('/x', {}, { again: 'never' })).rejects.toBeInstanceOf(Unreachable)
  })

  test.each(['beside', 'after'] as const)('a site that stops after the headers is passed over (%s)', async (again) => {
    vi.useFakeTimers()
    try {
      const sites = new Sites([SEOUL, BUSAN], { ...world({ [BUSAN]: answers() }), fetch: (url, init) => (url.startsWith(SEOUL) ? stopping(init) : answers()()) })
      const reply = sites.ask('/x', {}, { again })
      await vi.advanceTimersByTimeAsync(30_000)
      expect(await (await reply).text()).toBe('{}')
      expect(sites.url).toBe(BUSAN)
    } finally {
      vi.useRealTimers()
    }
  })

  test('a body that is cut off is no answer, and whoever waits for one may stop', async () => {
    const cut = () => new Response(new ReadableStream({ start: (body) => body.error(new TypeError('network')) }))
    await expect(new Sites([SEOUL], { ...world({}), fetch: async () => cut() }).ask('/x')).rejects.toBeInstanceOf(Unreachable)
    const stop = new AbortController()
    const reply = new Sites([SEOUL], { ...world({}), fetch: (_url, init) => stopping(init) }).ask('/x', { signal: stop.signal })
    setTimeout(() => stop.abort(), 5)
    await expect(reply).rejects.toMatchObject({ name: 'AbortError' })
  })

  test('a slow answer is waited for as long as it moves', async () => {
    vi.useFakeTimers()
    try {
      let body!: ReadableStreamDefaultController<Uint8Array>
      const slow = () => Promise.resolve(new Response(new ReadableStream<Uint8Array>({ start: (one) => void (body = one) })))
      const reply = new Sites([SEOUL], { ...world({}), fetch: slow }).ask('/x')
      for (let part = 0; part < 5; part++) {
        await vi.advanceTimersByTimeAsync(10_000)
        body.enqueue(new TextEncoder().encode('a'))
      }
      body.close()
      expect(await (await reply).text()).toBe('aaaaa')
    } finally {
      vi.useRealTimers()
    }
  })

  test('502 and 504 are a proxy without a centre, unless they name an error: then the server said so', async () => {
    const proxy = new Sites([SEOUL, BUSAN], world({ [SEOUL]: answers(504), [BUSAN]: answers() }))
    expect((await proxy.ask('/x')).status).toBe(200)
    const asked: string[] = []
    const said: Answer = () => Promise.resolve(new Response('{"errcode":"M_NOT_YET_UPLOADED"}', { status: 504 }))
    const server = new Sites([SEOUL, BUSAN], world({ [SEOUL]: said, [BUSAN]: said }, asked))
    expect([(await server.ask('/x')).status, await (await server.ask('/x')).json()]).toEqual([504, { errcode: 'M_NOT_YET_UPLOADED' }])
    expect([asked, server.sites[0]!.breaker]).toEqual([[SEOUL, SEOUL], CLOSED])
  })

  test('whoever gives up a parked request when another site answers does not lose that answer', async () => {
    const stop = new AbortController()
    const sites = new Sites([SEOUL, BUSAN], world({ [SEOUL]: refuses, [BUSAN]: answers() }))
    sites.onChange = () => stop.abort()
    expect((await sites.ask('/sync', { signal: stop.signal })).status).toBe(200)
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
    home = () => Promise.resolve(new Response('{"ready":true,"writes":false}'))
    now = 60_000
    await sites.tryHome()
    expect(sites.isElsewhere).toBe(true)
    home = answers()
    now = 120_000
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
  expect(retryAfter(507, null, {})).toBeUndefined()
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
