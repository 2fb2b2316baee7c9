import { Refused, Unreachable } from '../net/errors'
import type { Json, Matrix } from '../net/matrix'
import { contentOf } from './content'
import type { SealedFile } from './crypto/files'
import { roomRange, type Database, type Store } from './database'
import { isPollStart } from './poll'
import type { Attachment, Item } from './types'

/** What came of one try. */
export type Outcome =
  | { kind: 'sent'; eventId: string }
  | { kind: 'silent' } // no answer, or something broke here: it may have arrived, so the same id is tried again
  | { kind: 'later'; ms: number; cannot: boolean } // cannot: it is there, and cannot write now
  | { kind: 'refused'; why: string }

const ENDED = 'M_UNKNOWN_TOKEN' // the session is over, and nothing was decided; it waits for its author
const FIRST_MS = 700
const LONGEST_MS = 20_000
const BROKEN_MS = 5_000 // the disk of this browser refuses: a look now and then

export function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof Refused) || error.code === ENDED) return { kind: 'silent' }
  return error.retryAfterMs === undefined ? { kind: 'refused', why: error.code } : { kind: 'later', ms: error.retryAfterMs, cannot: error.status === 503 }
}

/** Longer with each try, and not for everybody at the same moment. random: in [0, 1). */
export const pauseOf = (tries: number, random: number): number => Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(tries, 10)) * (0.5 + random)

/** The item after a try. random: in [0, 1). Nothing but its own transaction id ever goes out for it. */
export function after(item: Item, outcome: Outcome, now: number, random: number): Item {
  switch (outcome.kind) {
    case 'sent':
      return { ...item, state: 'sent', eventId: outcome.eventId, notBefore: 0 }
    case 'refused':
      return { ...item, state: 'failed', error: outcome.why }
    case 'later':
      return { ...item, state: 'queued', notBefore: now + Math.max(outcome.ms, pauseOf(item.tries, random)), cannot: outcome.cannot }
    case 'silent':
      return { ...item, state: 'queued', notBefore: now + pauseOf(item.tries, random), cannot: false }
  }
}

/** The next one to try in a room: the oldest that is not done. One that failed for good holds up nobody. */
export const nextOf = (items: readonly Item[]): Item | undefined => items.find((item) => item.state === 'queued' || item.state === 'sending')

/** Is it a message of its own, and not something about another one? */
export const standsAlone = (item: Item): boolean =>
  isPollStart(item.type) || (item.type === 'm.room.message' && contentOf(item.content)['m.relates_to']?.rel_type !== 'm.replace')

/** A redaction says nothing that could be secret, so it goes out to encrypted rooms, too. */
export const takesBack = (one: { redacts?: string }): boolean => one.redacts !== undefined

/** May the server have it already? Then it can only be taken back there. A file is brought before its message is sent. */
export const mayBeThere = (item: Item): boolean => item.state !== 'failed' && item.tries > 0 && (!item.attachment || item.attachment.uploaded === true)

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

  /** Behind everything that waits in the room, whichever tab wrote it, and whatever the clock has been set to since. */
  async add(draft: Draft, now: number): Promise<void> {
    const transaction = this.database.transaction('outbox', 'readwrite')
    const last = await transaction.store.index('place').openKeyCursor(roomRange(draft.room), 'prev')
    await transaction.store.put({ ...newItem(draft, now), seq: Math.max(now, (last?.key[1] ?? 0) + 1) })
    await transaction.done
  }

  async remove(txn: string): Promise<void> {
    await this.database.delete('outbox', txn)
  }

  /** Nobody wants any of it any more. */
  async clear(): Promise<void> {
    await this.database.clear('outbox')
  }

  /** Takes out an item whose event was here before it was known to be its event. */
  async dropArrived(txn: string, event: string): Promise<boolean> {
    if ((await this.database.getKey('entries', event)) === undefined) return false
    await this.remove(txn)
    return true
  }

  async get(txn: string): Promise<Item | undefined> {
    return this.database.get('outbox', txn)
  }

  /** An item that arrived by its event, so that what takes it back knows what to take back. */
  async name(txn: string, room: string, event: string): Promise<void> {
    const transaction = this.database.transaction('outbox', 'readwrite')
    await nameIn(transaction.store, room, new Map([[txn, event]]))
    await transaction.done
  }

  /** Takes out what would take back an item that will never arrive. Returns whether there was any. */
  async dropTakers(item: Item): Promise<boolean> {
    const takers = (await this.of(item.room)).filter((one) => one.redacts === item.txn)
    for (const taker of takers) await this.remove(taker.txn)
    return takers.length > 0
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

/** What has arrived leaves the outbox. Returns whether anything did. events: by their ids; the server names transactions. */
export async function arrivedIn(store: Store<'outbox'>, room: string, events: readonly { id: string; txn?: string }[]): Promise<boolean> {
  const ids = new Set(events.map((event) => event.id))
  const txns = new Map(events.flatMap(({ id, txn }) => (txn ? [[txn, id] as const] : [])))
  await nameIn(store, room, txns)
  const gone = (await store.index('place').getAll(roomRange(room))).filter((item) => txns.has(item.txn) || (item.eventId && ids.has(item.eventId)))
  for (const item of gone) await store.delete(item.txn)
  return gone.length > 0
}

async function nameIn(store: Store<'outbox'>, room: string, txns: ReadonlyMap<string, string>): Promise<void> {
  for (const item of await store.index('place').getAll(roomRange(room))) {
    const redacts = item.redacts && txns.get(item.redacts)
    if (redacts) await store.put({ ...item, redacts })
  }
}

const SEALED = 'm.room.encrypted'

/** The type under which an item goes out. */
const typeOf = (item: Item): string => (item.sealed ? SEALED : item.type)

/** Encrypts what goes out to encrypted rooms; gives undefined for others. */
export interface Secrecy {
  seal(item: Item): Promise<Json | undefined>
  sealFile(room: string, file: Blob): Promise<SealedFile | undefined>
}

const OPEN: Secrecy = { seal: () => Promise.resolve(undefined), sealFile: () => Promise.resolve(undefined) }

/** How a message names its file; an encrypted one with what opens it. */
function named({ content }: Item, { sealed }: Attachment, url: string): Json {
  if (!sealed) return { ...content, url }
  const { small, key } = sealed
  const picture = small && { thumbnail_file: { ...small.key, url: small.uri }, thumbnail_info: small.info }
  return { ...content, file: { ...key, url }, info: { ...(content['info'] as Json | undefined), ...picture } }
}

/** How far an upload is, between 0 and 1. */
export type Progress = (txn: string, share: number) => void

/** Sends what waits: one item per room at a time, in order. It runs in the one tab that holds the lock. */
export class Sender {
  private readonly busy = new Set<string>()
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>()
  private readonly uploads = new Map<string, AbortController>()
  private readonly urgent = new Set<string>()
  private readonly again = new Set<string>()
  private isOn = false

  constructor(
    private readonly outbox: Outbox,
    private readonly matrix: Matrix,
    private readonly whyShut: (room: string) => string | undefined,
    private readonly onChange: (room: string) => void,
    private readonly onProgress: Progress,
    private readonly onRefused: (code: string) => void,
    private readonly secrecy: Secrecy = OPEN,
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
    for (const room of new Set((await this.outbox.all()).map((item) => item.room))) {
      this.urgent.add(room)
      void this.flush(room)
    }
  }

  async flush(room: string): Promise<void> {
    if (!this.isOn) return
    if (this.busy.has(room)) return void this.again.add(room)
    this.busy.add(room)
    clearTimeout(this.timers.get(room))
    try {
      while (this.isOn && ((await this.step(room)) || this.again.delete(room)));
    } catch {
      this.later(room, BROKEN_MS)
    } finally {
      this.busy.delete(room)
    }
  }

  cancel(txn: string): void {
    this.uploads.get(txn)?.abort(new Unreachable('taken back'))
  }

  /** Tries the next item. False when there is none, or none whose time has come. */
  private async step(room: string): Promise<boolean> {
    const item = nextOf(await this.outbox.of(room))
    if (!item) return false
    const wait = this.urgent.delete(room) ? 0 : item.notBefore - Date.now()
    if (wait > 0) {
      this.later(room, wait)
      return false
    }
    const trying: Item = { ...item, state: 'sending', tries: item.tries + 1 }
    if (!(await this.settle(trying))) return true
    const { tried, outcome } = await this.attempt(trying)
    if (outcome.kind === 'sent') await this.outbox.name(item.txn, room, outcome.eventId)
    await this.settle(after(tried, outcome, Date.now(), Math.random()))
    if (outcome.kind === 'sent' && item.formerly && (await this.outbox.dropArrived(item.txn, outcome.eventId))) this.onChange(room)
    return true
  }

  private later(room: string, ms: number): void {
    clearTimeout(this.timers.get(room))
    this.timers.set(room, setTimeout(() => void this.flush(room), ms))
  }

  /** False: it was taken back meanwhile. */
  private async settle(item: Item): Promise<boolean> {
    const is = item.state === 'failed' ? await this.fail(item) : await this.outbox.settle(item)
    this.onChange(item.room)
    return is
  }

  /** A message stays, so that its author sees what became of it; of anything else it is said, unless nobody wants it any more. */
  private async fail(item: Item): Promise<boolean> {
    const isUnwanted = await this.outbox.dropTakers(item)
    if (standsAlone(item) && !isUnwanted) return this.outbox.settle(item)
    await this.outbox.remove(item.txn)
    if (!isUnwanted) this.onRefused(item.error ?? '')
    return false
  }

  private async attempt(item: Item): Promise<{ tried: Item; outcome: Outcome }> {
    let tried = item
    const why = takesBack(item) ? undefined : this.whyShut(item.room)
    if (why) return { tried, outcome: { kind: 'refused', why } }
    try {
      const found = item.formerly === undefined ? undefined : await this.matrix.sent(item.room, typeOf(item), item.formerly, item.txn)
      if (found !== undefined) return { tried, outcome: { kind: 'sent', eventId: found } }
      tried = await this.sealed(await this.withFile(await this.unfollowed(item)))
      return { tried, outcome: { kind: 'sent', eventId: (await this.send(tried)).event_id } }
    } catch (error) {
      return { tried: (await this.outbox.get(item.txn)) ?? tried, outcome: outcomeOf(error) }
    }
  }

  /** It is not there: from now on it is this device's. */
  private async unfollowed(item: Item): Promise<Item> {
    const { formerly, sealed: _, ...own } = item // what was encrypted with the keys of the other device is nothing to this one
    return formerly === undefined ? item : this.keep(own)
  }

  private send(item: Item): Promise<{ event_id: string }> {
    if (item.redacts) return this.matrix.redact(item.room, item.redacts, item.txn)
    return this.matrix.send(item.room, typeOf(item), item.txn, item.sealed ?? item.content)
  }

  /**
   * For an encrypted room, with what goes out there. It is encrypted once and kept before it goes out: another try of
   * the same transaction says the same, whatever keys the room has by then.
   */
  private async sealed(item: Item): Promise<Item> {
    if (item.sealed || item.redacts) return item
    const sealed = await this.secrecy.seal(item)
    return sealed ? this.keep({ ...item, sealed }) : item
  }

  /** Brings the file to the server first. Its address is asked for once and kept, so a second try fills the same one. */
  private async withFile(item: Item): Promise<Item> {
    if (!item.attachment || item.attachment.uploaded) return item
    const attachment = await this.withSmall(item, await this.sealedFile(item, item.attachment))
    const uri = attachment.uri ?? (await this.matrix.createMedia()).content_uri
    await this.keep({ ...item, attachment: { ...attachment, uri } })
    await this.upload(item, attachment, uri)
    return this.keep({ ...item, content: named(item, attachment, uri), attachment: { ...attachment, uri, uploaded: true } })
  }

  /** Encrypted once, too: whatever part of it is on the server already is part of the same. */
  private async sealedFile(item: Item, attachment: Attachment): Promise<Attachment> {
    if (attachment.sealed) return attachment
    const sealed = await this.secrecy.sealFile(item.room, attachment.blob)
    if (!sealed) return attachment
    const { uri: _, ...rest } = attachment // under an address from before, the bytes might lie as they are
    return (await this.keep({ ...item, attachment: { ...rest, sealed } })).attachment!
  }

  /** The small picture goes first: the message names it, too. */
  private async withSmall(item: Item, attachment: Attachment): Promise<Attachment> {
    const { sealed } = attachment
    if (!sealed?.small || sealed.small.uri) return attachment
    const { content_uri: uri } = await this.matrix.createMedia()
    await this.matrix.upload(uri, sealed.small.blob, () => {}, new AbortController().signal)
    const kept = { ...attachment, sealed: { ...sealed, small: { ...sealed.small, uri } } }
    return (await this.keep({ ...item, attachment: kept })).attachment!
  }

  private async upload(item: Item, attachment: Attachment, uri: string): Promise<void> {
    const upload = new AbortController()
    this.uploads.set(item.txn, upload)
    try {
      await this.matrix.upload(uri, attachment.sealed?.blob ?? attachment.blob, (share) => this.onProgress(item.txn, share), upload.signal)
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404) throw error
      const { uri: _, ...rest } = attachment
      await this.keep({ ...item, attachment: rest })
      throw new Unreachable('the server no longer knows the address; the next try asks for another')
    } finally {
      this.uploads.delete(item.txn)
    }
  }

  private async keep(item: Item): Promise<Item> {
    if (!(await this.outbox.settle(item))) throw new Unreachable('taken back')
    return item
  }
}
