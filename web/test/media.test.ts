import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { againIn, MediaShelf, safeType } from '../src/data/media'
import { MediaCache, tooMuch } from '../src/data/mediaCache'
import type { Matrix } from '../src/net/matrix'

const MB = 2 ** 20
let database: Database
const files = new Map<string, Response>()

beforeEach(async () => {
  database?.close()
  await deleteDatabase()
  database = await openDatabase(() => {})
  files.clear()
  const cache = {
    match: async (name: string) => files.get(name)?.clone(),
    put: async (name: string, reply: Response) => void files.set(name, reply),
    delete: async (name: string) => files.delete(name),
  }
  vi.stubGlobal('caches', { open: async () => cache })
})

describe('what is kept on disk', () => {
  test('those go that nobody looked at for the longest time', () => {
    const kept = [
      { name: 'new', bytes: 4, used: 3 },
      { name: 'old', bytes: 4, used: 1 },
      { name: 'middle', bytes: 4, used: 2 },
    ]
    expect([tooMuch(kept, 12), tooMuch(kept, 11), tooMuch(kept, 3)]).toEqual([[], ['old'], ['old', 'middle', 'new']])
  })

  test('never more than the limit; a long video is not kept', async () => {
    const cache = new MediaCache(database)
    for (let at = 0; at < 255; at++) await database.put('media', { name: `before${at}`, bytes: MB, used: at })
    files.set('/app/kept/before0', new Response(''))
    await cache.put('new', new Blob([new Uint8Array(2 * MB)]))
    await cache.put('film', new Blob([new Uint8Array(33 * MB)]))
    const kept = await database.getAll('media')
    expect(kept.reduce((sum, file) => sum + file.bytes, 0)).toBeLessThanOrEqual(256 * MB)
    expect([...files.keys()]).toEqual(['/app/kept/new'])
  })
})

test('a photo that is kept does not cost a look at all the others', async () => {
  const cache = new MediaCache(database)
  const looked = vi.spyOn(IDBObjectStore.prototype, 'getAll')
  for (let at = 0; at < 20; at++) await cache.put(`photo${at}`, new Blob([new Uint8Array(1_000)]))
  expect(looked).toHaveBeenCalledTimes(1)
  looked.mockRestore()
})

test('photos give way to messages, and are counted no more', async () => {
  const cache = new MediaCache(database)
  await cache.put('photo', new Blob([new Uint8Array(MB)]))
  vi.stubGlobal('caches', { delete: async () => files.clear() })
  await cache.giveWay()
  expect([files.size, await database.getAll('media')]).toEqual([0, []])
})

test('a photo that cannot be had is asked for again until it can, not by all at once', () => {
  expect([0, 1, 2, 3, 100].map((fails) => againIn(fails, 0.5))).toEqual([3_000, 10_000, 30_000, 30_000, 30_000])
  expect([againIn(0, 0), againIn(9, 0.999)].map(Math.round)).toEqual([2_250, 37_485])
})

describe('addresses', () => {
  const shelf = () => new MediaShelf({ media: vi.fn(async (uri: string) => new Blob([uri], { type: 'text/html' })) } as unknown as Matrix, new MediaCache(database))

  test('one that is shown stays good, however many others are asked for', async () => {
    const media = shelf()
    const revoke = vi.spyOn(URL, 'revokeObjectURL')
    const shown = media.hold('mxc://a/shown')
    const address = await shown.address
    for (let at = 0; at < 200; at++) {
      const other = media.hold(`mxc://a/${at}`)
      await other.address
      other.free()
    }
    await Promise.resolve()
    expect(revoke.mock.calls.length).toBeGreaterThan(0)
    expect(revoke).not.toHaveBeenCalledWith(address)
  })

  test('nothing that a browser would run as a page of this origin gets its type', () => {
    expect(['text/html', 'image/svg+xml', 'application/xhtml+xml', 'image/png', 'video/mp4'].map(safeType)).toEqual([
      'application/octet-stream',
      'application/octet-stream',
      'application/octet-stream',
      'image/png',
      'video/mp4',
    ])
  })
})
