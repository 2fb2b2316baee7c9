import type { Matrix } from '../net/matrix'

const CACHE = 'bongsu-media'
const LIVE_MAX = 160 // object URLs at a time; a screen shows far fewer

export type Size = { width: number; height: number }
export const SMALL: Size = { width: 96, height: 96 }
export const LARGE: Size = { width: 640, height: 640 }

/** Photos and files of signed-in people: fetched with the token in the header, kept for when there is no network. */
export class MediaShelf {
  private readonly live = new Map<string, Promise<string>>()

  constructor(private readonly matrix: Matrix) {}

  /** An address for an <img>. The same one again while it is in use. */
  url(uri: string, size?: Size): Promise<string> {
    const key = `${uri}#${size ? size.width : 'whole'}`
    const before = this.live.get(key)
    if (before) this.live.delete(key)
    const address = before ?? this.blob(uri, size).then((blob) => URL.createObjectURL(blob))
    this.live.set(key, address)
    if (!before) address.catch(() => this.live.delete(key))
    this.trim()
    return address
  }

  async blob(uri: string, size?: Size): Promise<Blob> {
    const cache = 'caches' in globalThis ? await caches.open(CACHE) : undefined
    const name = `/app/kept/${encodeURIComponent(uri)}/${size ? size.width : 'whole'}`
    const kept = await cache?.match(name)
    if (kept) return kept.blob()
    const blob = await this.matrix.media(uri, size)
    await cache?.put(name, new Response(blob)).catch(() => {}) // a full disk is no reason to show nothing
    return blob
  }

  /** Saves a file. Its type is taken away, so that no browser shows it as a page of this origin. */
  async save(uri: string, name: string): Promise<void> {
    const blob = await this.blob(uri)
    const address = URL.createObjectURL(new Blob([blob], { type: 'application/octet-stream' }))
    const link = document.createElement('a')
    link.href = address
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(address), 60_000)
  }

  async clear(): Promise<void> {
    for (const address of this.live.values()) void address.then(URL.revokeObjectURL, () => {})
    this.live.clear()
    if ('caches' in globalThis) await caches.delete(CACHE)
  }

  private trim(): void {
    for (const [key, address] of this.live) {
      if (this.live.size <= LIVE_MAX) return
      this.live.delete(key)
      void address.then(URL.revokeObjectURL, () => {})
    }
  }
}

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
