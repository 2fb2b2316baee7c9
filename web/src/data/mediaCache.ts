import type { Database } from './database'

export const MEDIA_CACHE = 'bongsu-media'
const MB = 2 ** 20
const BYTES_MAX = 256 * MB // some thousands of photos; a small part of what browsers grant, so that messages never go for them
const SPARE = 8 * MB // so much more than has to go, so that all is not looked through for each photo
const ONE_MAX = 32 * MB // a longer video is fetched again if somebody sees it again, and does not drive out a hundred photos
const TOUCH_MS = 3_600_000 // when something was last used is known to the hour: a look at a chat writes nothing

/** One file in the cache. used: when it was last looked at. */
export interface KeptFile {
  name: string
  bytes: number
  used: number
}

/** Which files have to go so that no more than `most` bytes are kept: those that nobody looked at for the longest time. */
export function tooMuch(kept: readonly KeptFile[], most: number): string[] {
  let left = kept.reduce((sum, file) => sum + file.bytes, 0)
  const gone: string[] = []
  for (const file of kept.toSorted((one, other) => one.used - other.used)) {
    if (left <= most) break
    gone.push(file.name)
    left -= file.bytes
  }
  return gone
}

const addressOf = (name: string): string => `/app/kept/${name}`

/** Files on disk for when there is no network. Their sizes are in the database, for the browser's cache tells none. */
export class MediaCache {
  /** About how many bytes are kept. Other tabs keep some, too; it is counted anew when it seems to be too much. */
  private bytes = Infinity

  constructor(private readonly database: Database) {}

  async get(name: string): Promise<Blob | undefined> {
    const reply = await (await this.cache())?.match(addressOf(name))
    if (reply) await this.touch(name)
    return reply?.blob()
  }

  async has(name: string): Promise<boolean> {
    return (await (await this.cache())?.match(addressOf(name))) !== undefined
  }

  /** Counted first, then kept: nothing is there that is not counted. */
  async put(name: string, blob: Blob): Promise<void> {
    const cache = await this.cache()
    if (!cache || blob.size > ONE_MAX) return
    await this.database.put('media', { name, bytes: blob.size, used: Date.now() })
    await cache.put(addressOf(name), new Response(blob))
    this.bytes += blob.size
    if (this.bytes > BYTES_MAX) await this.trim(cache)
  }

  private async trim(cache: Cache): Promise<void> {
    const kept = await this.database.getAll('media')
    const gone = new Set(tooMuch(kept, BYTES_MAX).length > 0 ? tooMuch(kept, BYTES_MAX - SPARE) : [])
    for (const old of gone) {
      await cache.delete(addressOf(old))
      await this.database.delete('media', old)
    }
    this.bytes = kept.reduce((sum, file) => sum + (gone.has(file.name) ? 0 : file.bytes), 0)
  }

  async clear(): Promise<void> {
    if ('caches' in globalThis) await caches.delete(MEDIA_CACHE)
  }

  /** Messages need the room: photos can be fetched again. */
  async giveWay(): Promise<void> {
    await this.clear()
    await this.database.clear('media')
  }

  private async touch(name: string): Promise<void> {
    const before = await this.database.get('media', name)
    if (before && Date.now() - before.used > TOUCH_MS) await this.database.put('media', { ...before, used: Date.now() })
  }

  private async cache(): Promise<Cache | undefined> {
    return 'caches' in globalThis ? caches.open(MEDIA_CACHE) : undefined
  }
}
