import { mediaPath, type Matrix } from '../net/matrix'
import type { MediaCache } from './mediaCache'
import { readSecretUri, type SecretUri } from './secretUri'

const LIVE_MAX = 160 // object URLs at a time that nobody shows; a screen shows far fewer
/** What browsers show or play, and nothing that could run in a page of this origin. */
const SAFE = /^(image\/(png|jpeg|gif|webp|avif|bmp)|(video|audio)\/(mp4|webm|ogg|mpeg|quicktime|aac|wav|x-wav|flac|x-m4a))$/
const NO_TYPE = 'application/octet-stream'

export type Size = { width: number; height: number }
export const SMALL: Size = { width: 96, height: 96 }
export const LARGE: Size = { width: 640, height: 640 }

const STREAM_MIN = 2 ** 21 // what is smaller is fetched whole, and kept for when there is no network

/** An address for an <img> or a player, good until free() is called. */
export interface Lease {
  address: Promise<string>
  free(): void
}

interface Live {
  address: Promise<string>
  holders: number
}

const AGAIN_MS = [3_000, 10_000, 30_000]

/** When a file that could not be had is asked for again by itself, for as long as it is wanted: a centre may burn for long. random: in [0, 1). */
export const againIn = (fails: number, random: number): number => AGAIN_MS[Math.min(fails, AGAIN_MS.length - 1)]! * (0.75 + random / 2)

export const safeType = (type: string): string => (SAFE.test(type) ? type : NO_TYPE)

/** Photos and files of signed-in people: fetched with the token in the header, kept for when there is no network. */
export class MediaShelf {
  private readonly live = new Map<string, Live>()
  private isAnswering = false

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

  /**
   * An address for a player. A long film comes in the parts that the player asks for, through the service worker; what is
   * short, or kept here already, comes whole. size: in bytes, as far as the message tells.
   */
  play(uri: string, size?: number): Lease {
    const path = mediaPath(uri)
    const worker = 'serviceWorker' in navigator ? navigator.serviceWorker : undefined
    if (!worker?.controller || !path || (size !== undefined && size < STREAM_MIN)) return this.hold(uri)
    this.answer(worker)
    const whole = this.cache.has(nameOf(uri)).then((is) => (is ? this.hold(uri) : undefined), () => undefined)
    const free = () => void whole.then((lease) => lease?.free())
    return { address: whole.then((lease) => lease?.address ?? `/app/played/${path}`), free }
  }

  /** Tells the service worker, each time anew, whom to ask and with what. */
  private answer(worker: ServiceWorkerContainer): void {
    if (this.isAnswering) return
    this.isAnswering = true
    worker.addEventListener('message', ({ data, ports }: MessageEvent<{ kind?: string }>) => {
      if (data.kind === 'way') ports[0]?.postMessage({ sites: this.matrix.sites.order().map((site) => site.url), token: this.matrix.token })
    })
    worker.startMessages()
  }

  async blob(uri: string, size?: Size): Promise<Blob> {
    const secret = readSecretUri(uri)
    return secret ? this.open(secret, size) : this.fetch(uri, size)
  }

  /** On disk it stays encrypted. Its small picture is one that the sender made; the server could make none. */
  private async open({ uri, key, type, small }: SecretUri, size?: Size): Promise<Blob> {
    if (size && small) return this.blob(small)
    const [{ openFile }, blob] = await Promise.all([import('./crypto/files'), this.fetch(uri)])
    return openFile(blob, key, type)
  }

  private async fetch(uri: string, size?: Size): Promise<Blob> {
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

  /** This browser has no room for messages. What is shown stays on the screen. */
  giveWay(): Promise<void> {
    return this.cache.giveWay()
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

/** What a message says of a file. Photos and films are measured, so that their place is kept before they are loaded. */
export async function describeFile(file: File): Promise<Record<string, unknown>> {
  const kind = /^(image|video|audio)\//.exec(file.type)?.[1] ?? 'file'
  const measures = kind === 'image' || kind === 'video' ? await measured(kind, file) : null
  const info = { size: file.size, mimetype: file.type || NO_TYPE, ...measures }
  return { msgtype: kind === 'image' && !measures ? 'm.file' : `m.${kind}`, body: file.name, filename: file.name, info }
}

/** Where the measuring cannot be fetched, a photo is measured by what is here, and goes without a blurhash. */
async function measured(kind: 'image' | 'video', file: File): Promise<object | null> {
  const measure = await import('./measure').catch(() => null)
  if (measure) return kind === 'image' ? measure.measurePhoto(file) : measure.measureFilm(file)
  const picture = kind === 'image' ? await createImageBitmap(file).catch(() => null) : null
  return picture && { w: picture.width, h: picture.height }
}
