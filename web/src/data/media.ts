import type { Matrix } from '../net/matrix'
import type { MediaCache } from './mediaCache'

const LIVE_MAX = 160 // object URLs at a time that nobody shows; a screen shows far fewer
/** What browsers show or play, and nothing that could run in a page of this origin. */
const SAFE = /^(image\/(png|jpeg|gif|webp|avif|bmp)|(video|audio)\/(mp4|webm|ogg|mpeg|quicktime|aac|wav|x-wav|flac|x-m4a))$/
const NO_TYPE = 'application/octet-stream'

export type Size = { width: number; height: number }
export const SMALL: Size = { width: 96, height: 96 }
export const LARGE: Size = { width: 640, height: 640 }

/** An address for an <img> or a player, good until free() is called. */
export interface Lease {
  address: Promise<string>
  free(): void
}

interface Live {
  address: Promise<string>
  holders: number
}

export const safeType = (type: string): string => (SAFE.test(type) ? type : NO_TYPE)

/** Photos and files of signed-in people: fetched with the token in the header, kept for when there is no network. */
export class MediaShelf {
  private readonly live = new Map<string, Live>()

  constructor(
    private readonly matrix: Matrix,
    private readonly cache: MediaCache,
  ) {}

  /** The same address again while anybody holds it, and for a while after. */
  hold(uri: string, size?: Size): Lease {
    const name = nameOf(uri, size)
    const live = this.live.get(name) ?? this.make(name, uri, size)
    this.live.delete(name)
    this.live.set(name, live) // the last used are the last to go
    live.holders++
    this.trim()
    let isHeld = true
    const free = () => {
      if (isHeld) live.holders--
      isHeld = false
    }
    return { address: live.address, free }
  }

  async blob(uri: string, size?: Size): Promise<Blob> {
    const name = nameOf(uri, size)
    const kept = await this.cache.get(name).catch(() => undefined)
    if (kept) return kept
    const blob = await this.matrix.media(uri, size)
    await this.cache.put(name, blob).catch(() => {}) // a full disk is no reason to show nothing
    return blob
  }

  /** Saves a file. Its type is taken away, so that no browser shows it as a page of this origin. */
  async save(uri: string, name: string): Promise<void> {
    const blob = await this.blob(uri)
    const address = URL.createObjectURL(new Blob([blob], { type: NO_TYPE }))
    const link = document.createElement('a')
    link.href = address
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(address), 60_000)
  }

  async clear(): Promise<void> {
    for (const live of this.live.values()) revoke(live)
    this.live.clear()
    await this.cache.clear()
  }

  private make(name: string, uri: string, size?: Size): Live {
    const address = this.blob(uri, size).then((blob) => URL.createObjectURL(blob.slice(0, blob.size, safeType(blob.type))))
    const live: Live = { address, holders: 0 }
    address.catch(() => this.live.get(name) === live && this.live.delete(name))
    return live
  }

  private trim(): void {
    const idle = [...this.live].filter(([, live]) => live.holders === 0)
    for (const [name, live] of idle.slice(0, Math.max(0, idle.length - LIVE_MAX))) {
      this.live.delete(name)
      revoke(live)
    }
  }
}

const nameOf = (uri: string, size?: Size): string => `${encodeURIComponent(uri)}/${size ? size.width : 'whole'}`

const revoke = (live: Live): void => void live.address.then(URL.revokeObjectURL, () => {})

/** What a message says of a file. Photos are measured, so that their place is kept before they are loaded. */
export async function describeFile(file: File): Promise<Record<string, unknown>> {
  const kind = /^(image|video|audio)\//.exec(file.type)?.[1] ?? 'file'
  const info: Record<string, unknown> = { size: file.size, mimetype: file.type || 'application/octet-stream' }
  if (kind === 'image') {
    const picture = await createImageBitmap(file).catch(() => null)
    if (!picture) return { msgtype: 'm.file', body: file.name, filename: file.name, info }
    info['w'] = picture.width
    info['h'] = picture.height
    picture.close()
  }
  return { msgtype: `m.${kind}`, body: file.name, filename: file.name, info }
}
