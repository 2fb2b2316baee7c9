import { deferred } from './deferred'
import { parsed, refusedBy, Unreachable } from './errors'
import { isGone } from './sites'

const SILENCE_MS = 20_000
const LAST_SILENCE_MS = 60_000 // the last piece is answered when the whole file stands in two sites
const MB = 2 ** 20
export const WHOLE_MAX = 4 * MB // what is smaller goes in one piece: it is soon sent again
export const PIECE = 2 * MB
const PRINT_BYTES = 65_536 // of the beginning and of the end

/** The site fell silent or hung up. */
export class Cut extends Unreachable {}

/** What a site has of a file. */
interface Held {
  held: number
  is_whole: boolean
}

interface Answer {
  status: number
  body: Record<string, unknown>
}

/** Which bytes these are, well enough to tell a file from itself encrypted anew. */
export async function fingerprint(file: Blob): Promise<string> {
  const ends = [file.slice(0, PRINT_BYTES), file.slice(Math.max(0, file.size - PRINT_BYTES))]
  const bytes = new Uint8Array(await new Blob(ends).arrayBuffer())
  return [2166136261, 40389].map((seed) => hash(bytes, seed).toString(16).padStart(8, '0')).join('') + file.size.toString(16)
}

const hash = (bytes: Uint8Array, seed: number): number => bytes.reduce((sum, byte) => Math.imul(sum ^ byte, 16777619) >>> 0, seed)

/** A file on its way to the id that was made for it. path: "server/media id". A large one goes on where it was cut off. */
export class Upload {
  constructor(
    private readonly authorization: string,
    private readonly path: string,
    private readonly file: Blob,
    private readonly progress: (share: number) => void,
    private readonly signal: AbortSignal,
  ) {}

  /** Resolves when it is there, wherever it came from. */
  async at(site: string): Promise<void> {
    if (this.file.size > WHOLE_MAX && (await this.inPieces(site))) return
    const sent = (bytes: number) => this.progress(bytes / Math.max(1, this.file.size))
    settled(await this.put(`${site}/_matrix/media/v3/upload/${this.path}`, this.file, sent, SILENCE_MS))
  }

  /** False: this site is older and knows no pieces. */
  private async inPieces(site: string): Promise<boolean> {
    const address = `${site}/_bongsu/v1/uploads/${this.path}`
    const query = `?${new URLSearchParams({ size: String(this.file.size), tag: await fingerprint(this.file) })}`
    let now = await this.held(address + query)
    while (now && !now.is_whole) now = await this.piece(address, query, now.held)
    return now !== undefined
  }

  private async held(address: string): Promise<Held | undefined> {
    const { status, retry, text } = await this.ask(address)
    const body = parsed(text)
    if (isGone(status, text)) throw new Cut('the site is not there')
    if (body['errcode'] === 'M_UNRECOGNIZED') return undefined
    if (status >= 300) throw refusedBy(status, retry, body)
    return heldOf(body)
  }

  private async ask(address: string): Promise<{ status: number; retry: string | null; text: string }> {
    const limit = new AbortController()
    const stop = () => limit.abort()
    const timer = setTimeout(stop, SILENCE_MS)
    this.signal.addEventListener('abort', stop)
    try {
      const reply = await fetch(address, { headers: { authorization: this.authorization }, signal: limit.signal })
      return { status: reply.status, retry: reply.headers.get('retry-after'), text: await reply.text() }
    } catch {
      throw this.signal.aborted ? this.signal.reason : new Cut('nobody says how much is there')
    } finally {
      clearTimeout(timer)
      this.signal.removeEventListener('abort', stop)
    }
  }

  private async piece(address: string, query: string, start: number): Promise<Held> {
    const { size } = this.file
    const end = Math.min(size, start + PIECE)
    const sent = (bytes: number) => this.progress((start + bytes) / size)
    const answer = await this.put(`${address}/${start}${query}`, this.file.slice(start, end, this.file.type), sent, end === size ? LAST_SILENCE_MS : SILENCE_MS)
    if (answer.body['errcode'] === 'BONGSU_GAP') return { held: Number(answer.body['held']) || 0, is_whole: false } // another try was faster, or a sweep
    return settled(answer) ? { held: size, is_whole: true } : heldOf(answer.body)
  }

  /** XMLHttpRequest, because fetch tells nothing about the way up. */
  private put(address: string, body: Blob, sent: (bytes: number) => void, silenceMs: number): Promise<Answer & { retry: string | null }> {
    if (this.signal.aborted) return Promise.reject(this.signal.reason)
    const { promise, resolve, reject } = deferred<Answer & { retry: string | null }>()
    const request = new XMLHttpRequest()
    const stop = () => {
      reject(this.signal.reason)
      request.abort()
    }
    const cut = () => {
      reject(new Cut('the upload was cut off'))
      request.abort()
    }
    let watch = setTimeout(cut, silenceMs)
    request.open('PUT', address)
    request.setRequestHeader('authorization', this.authorization)
    request.setRequestHeader('content-type', this.file.type || 'application/octet-stream')
    request.upload.onprogress = (event) => {
      clearTimeout(watch)
      watch = setTimeout(cut, silenceMs)
      sent(event.loaded)
    }
    request.onload = () => {
      if (isGone(request.status, request.responseText)) cut()
      else resolve({ status: request.status, body: parsed(request.responseText), retry: request.getResponseHeader('retry-after') })
    }
    request.onerror = cut
    request.onloadend = () => {
      clearTimeout(watch)
      this.signal.removeEventListener('abort', stop)
    }
    this.signal.addEventListener('abort', stop)
    request.send(body)
    return promise
  }
}

/** Throws a refusal. True: the file was there already. */
function settled({ status, body, retry }: Answer & { retry: string | null }): boolean {
  if (body['errcode'] === 'M_CANNOT_OVERWRITE_MEDIA') return true
  if (status >= 300) throw refusedBy(status, retry, body)
  return false
}

function heldOf(body: Record<string, unknown>): Held {
  if (typeof body['held'] !== 'number' || typeof body['is_whole'] !== 'boolean') throw new Cut('this is no answer about a file')
  return { held: body['held'], is_whole: body['is_whole'] }
}
