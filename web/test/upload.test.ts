import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Refused } from '../src/net/errors'
import { Cut, fingerprint, PIECE, Upload, WHOLE_MAX } from '../src/net/upload'

const SITE = 'http://one'
const PIECES = `${SITE}/_bongsu/v1/uploads/x/id`

/** A site's answers to PUT, and what was put there. */
class Site {
  readonly puts: { path: string; bytes: number }[] = []
  held = 0
  size = 0
  answer: (path: string, bytes: number) => { status: number; body: object } | 'cut' = (_path, bytes) => {
    this.held += bytes
    return { status: 200, body: { held: this.held, is_whole: this.held === this.size } }
  }
}

function stub(site: Site, told: { status: number; body: object } | undefined = undefined): void {
  vi.stubGlobal('fetch', async () => {
    const { status, body } = told ?? { status: 200, body: { held: site.held, is_whole: site.held === site.size } }
    return new Response(JSON.stringify(body), { status })
  })
  vi.stubGlobal(
    'XMLHttpRequest',
    class {
      upload: { onprogress?: (event: { loaded: number }) => void } = {}
      status = 0
      responseText = ''
      onload = () => {}
      onerror = () => {}
      onabort = () => {}
      onloadend = () => {}
      private path = ''
      open(_method: string, address: string) {
        this.path = address.replace(/\?.*/, '')
      }
      setRequestHeader() {}
      getResponseHeader = () => null
      abort() {
        this.onabort()
      }
      send(body: Blob) {
        site.puts.push({ path: this.path, bytes: body.size })
        this.upload.onprogress?.({ loaded: body.size })
        queueMicrotask(() => {
          const answer = site.answer(this.path, body.size)
          if (answer === 'cut') return this.onerror()
          Object.assign(this, { status: answer.status, responseText: JSON.stringify(answer.body) })
          this.onload()
          this.onloadend()
        })
      }
    },
  )
}

const file = (bytes: number) => new Blob([new Uint8Array(bytes)], { type: 'video/mp4' })

describe('an upload', () => {
  const shares: number[] = []
  const upload = (bytes: number) => new Upload('Bearer x', 'x/id', file(bytes), (share) => shares.push(share), new AbortController().signal)
  beforeEach(() => void (shares.length = 0))
  afterEach(() => vi.unstubAllGlobals())

  test('a small file goes in one piece', async () => {
    const site = new Site()
    site.answer = () => ({ status: 200, body: {} })
    stub(site)
    await upload(10).at(SITE)
    expect(site.puts).toEqual([{ path: `${SITE}/_matrix/media/v3/upload/x/id`, bytes: 10 }])
  })

  test('what nobody wants any more does not leave', async () => {
    const site = new Site()
    stub(site)
    const taken = new AbortController()
    taken.abort(new Error('taken back'))
    await expect(new Upload('Bearer x', 'x/id', file(10), () => {}, taken.signal).at(SITE)).rejects.toThrow('taken back')
    expect(site.puts).toEqual([])
  })

  test('a large one goes on from where it was cut off', async () => {
    const site = new Site()
    site.size = WHOLE_MAX + 5
    stub(site)
    const whole = site.answer
    site.answer = (path, bytes) => (site.puts.length === 2 ? 'cut' : whole(path, bytes))
    await expect(upload(site.size).at(SITE)).rejects.toBeInstanceOf(Cut)
    await upload(site.size).at(SITE)
    expect(site.puts).toEqual([
      { path: `${PIECES}/0`, bytes: PIECE },
      { path: `${PIECES}/${PIECE}`, bytes: PIECE },
      { path: `${PIECES}/${PIECE}`, bytes: PIECE },
      { path: `${PIECES}/${2 * PIECE}`, bytes: 5 },
    ])
    expect(shares.at(-1)).toBe(1)
  })

  test('where less is there than was thought, it goes back', async () => {
    const site = new Site()
    site.size = WHOLE_MAX + 5
    site.held = PIECE
    stub(site)
    const whole = site.answer
    site.answer = (path, bytes) => {
      if (site.puts.length > 1) return whole(path, bytes)
      site.held = 0
      return { status: 409, body: { errcode: 'BONGSU_GAP', held: 0 } }
    }
    await upload(site.size).at(SITE)
    expect(site.puts.map((put) => put.path.split('/').at(-1))).toEqual([PIECE, 0, PIECE, 2 * PIECE].map(String))
  })

  test('one that is there already is done; an older server gets it whole', async () => {
    const site = new Site()
    stub(site, { status: 200, body: { held: 9e6, is_whole: true } })
    await upload(9e6).at(SITE)
    expect(site.puts).toEqual([])
    site.answer = () => ({ status: 200, body: {} })
    stub(site, { status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
    await upload(9e6).at(SITE)
    expect(site.puts).toEqual([{ path: `${SITE}/_matrix/media/v3/upload/x/id`, bytes: 9e6 }])
  })

  test('an id that the server has forgotten is refused as such', async () => {
    stub(new Site(), { status: 404, body: { errcode: 'M_NOT_FOUND' } })
    await expect(upload(9e6).at(SITE)).rejects.toMatchObject({ status: 404, code: 'M_NOT_FOUND' } satisfies Partial<Refused>)
  })
})

test('a fingerprint tells files apart by their ends and their size', async () => {
  const bytes = new Uint8Array(300_000)
  const print = await fingerprint(new Blob([bytes]))
  expect(print).toMatch(/^[0-9a-f]{16,64}$/)
  expect(await fingerprint(new Blob([bytes]))).toBe(print)
  for (const at of [0, 299_999]) {
    const other = bytes.slice()
    other[at] = 1
    expect(await fingerprint(new Blob([other]))).not.toBe(print)
  }
  expect(await fingerprint(new Blob([bytes, 'x']))).not.toBe(print)
})
