import { Refused, Unreachable } from '../net/errors'
import type { Json, Matrix } from '../net/matrix'
import { contentOf } from './content'
import { roomRange, type Database } from './database'
import type { Attachment, Item } from './types'

/** What came of one try. */
export type Outcome =
  | { kind: 'sent'; eventId: string }
  | { kind: 'silent' } // nobody answered: it may have arrived, so the same id is tried again
  | { kind: 'later'; ms: number; cannot: boolean } // cannot: it is there, and cannot write now
  | { kind: 'refused'; why: string }

const FIRST_MS = 700
const LONGEST_MS = 20_000

export function outcomeOf(error: unknown): Outcome {
  if (error instanceof Refused) {
    return error.retryAfterMs === undefined ? { kind: 'refused', why: error.code } : { kind: 'later', ms: error.retryAfterMs, cannot: error.status === 503 }
  }
  return error instanceof Unreachable ? { kind: 'silent' } : { kind: 'refused', why: 'BONGSU_BROKEN' }
}

/** The item after a try. random: in [0, 1). Nothing but its own transaction id ever goes out for it. */
export function after(item: Item, outcome: Outcome, now: number, random: number): Item {
  switch (outcome.kind) {
    case 'sent':
      return { ...item, state: 'sent', eventId: outcome.eventId, notBefore: 0 }
    case 'refused':
      return { ...item, state: 'failed', error: outcome.why }
    case 'later':
      return { ...item, state: 'queued', notBefore: now + outcome.ms, cannot: outcome.cannot }
    case 'silent': {
      const pause = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(item.tries, 10))
      return { ...item, state: 'queued', notBefore: now + pause * (0.5 + random), cannot: false }
    }
  }
}

/** The next one to try in a room: the oldest that is not done. One that failed for good holds up nobody. */
export const nextOf = (items: readonly Item[]): Item | undefined => items.find((item) => item.state === 'queued' || item.state === 'sending')

/** Is it a message of its own, and not something about another one? */
export const standsAlone = (item: Item): boolean =>
  item.type === 'm.room.message' && contentOf(item.content)['m.relates_to']?.rel_type !== 'm.replace'

/** A redaction says nothing that could be secret, so it goes out to encrypted rooms, too. */
export const takesBack = (one: { redacts?: string }): boolean => one.redacts !== undefined

/** A transaction id that nobody else makes. randomUUID would need https. */
export function newTransaction(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `b${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

export interface Draft {
  room: string
  type: string
  content: Json
  redacts?: string
  attachment?: Attachment
}

export function newItem(draft: Draft, now: number): Item {
  return { ...draft, txn: newTransaction(), seq: now, at: now, tries: 0, notBefore: 0, state: 'queued' }
}

/** The outbox on disk. An item is there before anything is asked of the network. */
export class Outbox {
  constructor(private readonly database: Database) {}

  all(): Promise<Item[]> {
    return this.database.getAll('outbox')
  }

  of(room: string): Promise<Item[]> {
    return this.database.getAllFromIndex('outbox', 'place', roomRange(room))
  }

  async put(item: Item): Promise<void> {
    await this.database.put('outbox', item)
  }

  async remove(txn: string): Promise<void> {
    await this.database.delete('outbox', txn)
  }

  async get(txn: string): Promise<Item | undefined> {
    return this.database.get('outbox', txn)
  }

  /** Writes what came of a try, unless the item was taken back meanwhile. */
  async settle(item: Item): Promise<boolean> {
    const transaction = this.database.transaction('outbox', 'readwrite')
    const is = (await transaction.store.get(item.txn)) !== undefined
    if (is) await transaction.store.put(item)
    await transaction.done
    return is
  }
}

/** How far an upload is, between 0 and 1. */
export type Progress = (txn: string, share: number) => void

/** Sends what waits: one item per room at a time, in order. It runs in the one tab that holds the lock. */
export class Sender {
  private readonly busy = new Set<string>()
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>()
  private readonly uploads = new Map<string, AbortController>()
  private isOn = false

  constructor(
    private readonly outbox: Outbox,
    private readonly matrix: Matrix,
    private readonly whyShut: (room: string) => string | undefined,
    private readonly onChange: (room: string) => void,
    private readonly onProgress: Progress,
    private readonly onRefused: (code: string) => void,
  ) {}

  async start(): Promise<void> {
    this.isOn = true
    await this.wake()
  }

  stop(): void {
    this.isOn = false
    for (const timer of this.timers.values()) clearTimeout(timer)
    for (const upload of this.uploads.values()) upload.abort(new Unreachable('this tab stops'))
  }

  /** Looks at all rooms that have something waiting; those who wait for their time are asked now. */
  async wake(): Promise<void> {
    for (const room of new Set((await this.outbox.all()).map((item) => item.room))) void this.flush(room)
  }

  async flush(room: string): Promise<void> {
    if (!this.isOn || this.busy.has(room)) return
    this.busy.add(room)
    clearTimeout(this.timers.get(room))
    try {
      while (this.isOn && (await this.step(room)));
    } finally {
      this.busy.delete(room)
    }
  }

  cancel(txn: string): void {
    this.uploads.get(txn)?.abort(new DOMException('taken back', 'AbortError'))
  }

  /** Tries the next item. False when there is none, or none whose time has come. */
  private async step(room: string): Promise<boolean> {
    const item = nextOf(await this.outbox.of(room))
    if (!item) return false
    const wait = item.notBefore - Date.now()
    if (wait > 0) {
      this.timers.set(room, setTimeout(() => void this.flush(room), wait))
      return false
    }
    const trying: Item = { ...item, state: 'sending', tries: item.tries + 1 }
    await this.settle(trying)
    const { tried, outcome } = await this.attempt(trying)
    await this.settle(after(tried, outcome, Date.now(), Math.random()))
    return true
  }

  private async settle(item: Item): Promise<void> {
    const isLost = item.state === 'failed' && !standsAlone(item)
    if (isLost) await this.outbox.remove(item.txn)
    else await this.outbox.settle(item)
    this.onChange(item.room)
    if (isLost) this.onRefused(item.error ?? '')
  }

  private async attempt(item: Item): Promise<{ tried: Item; outcome: Outcome }> {
    let tried = item
    const why = takesBack(item) ? undefined : this.whyShut(item.room)
    if (why) return { tried, outcome: { kind: 'refused', why } }
    try {
      tried = await this.withFile(item)
      return { tried, outcome: { kind: 'sent', eventId: (await this.send(tried)).event_id } }
    } catch (error) {
      if (error instanceof DOMException) return { tried, outcome: { kind: 'refused', why: 'BONGSU_TAKEN_BACK' } }
      const isLostUpload = error instanceof Refused && error.status === 404 && tried.attachment?.uri !== undefined
      if (!isLostUpload) return { tried: (await this.outbox.get(item.txn)) ?? tried, outcome: outcomeOf(error) }
      return { tried: { ...tried, attachment: again(tried.attachment) }, outcome: { kind: 'later', ms: 500, cannot: false } }
    }
  }

  private send(item: Item): Promise<{ event_id: string }> {
    if (item.redacts) return this.matrix.redact(item.room, item.redacts, item.txn)
    return this.matrix.send(item.room, item.type, item.txn, item.content)
  }

  /** Brings the file to the server first. Its address is asked for once and kept, so a second try fills the same one. */
  private async withFile(item: Item): Promise<Item> {
    const { attachment } = item
    if (!attachment || attachment.uploaded) return item
    const uri = attachment.uri ?? (await this.matrix.createMedia()).content_uri
    const named: Item = { ...item, attachment: { ...attachment, uri } }
    await this.outbox.settle(named)
    const upload = new AbortController()
    this.uploads.set(item.txn, upload)
    try {
      await this.matrix.upload(uri, attachment.blob, (share) => this.onProgress(item.txn, share), upload.signal)
    } finally {
      this.uploads.delete(item.txn)
    }
    const done: Item = { ...named, content: { ...item.content, url: uri }, attachment: { ...attachment, uri, uploaded: true } }
    await this.outbox.settle(done)
    return done
  }
}

function again(attachment: Attachment | undefined): Attachment {
  return { blob: attachment!.blob, name: attachment!.name }
}
