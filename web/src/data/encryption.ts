import { deleteDB } from 'idb'
import { Refused, Unreachable } from '../net/errors'
import type { Json, KeyNews, Matrix, RawEvent, SyncReply } from '../net/matrix'
import { openedEntry, withOpened, type Change } from './arrival'
import type { Keeper } from './crypto/keeper'
import type { SealedFile } from './crypto/files'
import type { Desk, Flow } from './crypto/types'
import type { Database } from './database'
import type { Secrecy } from './outbox'
import { canEncrypt } from './rooms'
import type { Asked, Told } from './tabs'
import type { Entry, Item, Room, Session } from './types'

const STORE = 'bongsu-keys-'
const SECRET = 'secret of the keys'
const INBOX = 'inbox '
const ANSWER_MS = 120_000 // a backup of years is fetched and opened in less
const TRIES_MAX = 3
const CLOSE_MS = 3_000
const CAME_MS = 60_000 // a sync that was being read is written by then
const FEW_KEYS = 25 // fewer than that lie on the server: new ones are due
const DOUBTED_MAX = 500 // messages that are looked at again when their sender's keys are known better
const KIND = 'signed_curve25519'

/** What encryption needs of the client. */
export interface House {
  session(): Session | null
  room(id: string): Room | undefined
  isLeader(): boolean
  /** The same, asked of the browser: a tab that has just been woken up may not know yet. */
  leads(): Promise<boolean>
  tell(told: Told): void
  ask(asked: Asked): void
  /** to this tab and the others */
  changed(change: Change): void
  emit(): void
}

type Name = keyof Desk
type Rooms = Pick<SyncReply, 'rooms'>
type Late = KeyNews & Rooms & { tries?: number }
type Waiting = { resolve: (value: unknown) => void; reject: (error: unknown) => void }

/**
 * Where the rest of the client meets encryption. What encrypts is fetched when it is needed first, and runs in the tab
 * that leads; this stands before it in every tab.
 */
export class Encryption implements Secrecy {
  /** Verifications under way. */
  flows: Flow[] = []
  private isMade = false
  private keeper: Keeper | undefined
  private loading: Promise<Keeper> | undefined
  private reading: Promise<void> = Promise.resolve()
  /** sessions of rooms whose keys came since the keeper was there */
  private readonly came = new Set<string>()
  private number = 0
  private readonly waiting = new Map<string, Waiting>()

  constructor(
    private readonly database: Database,
    private readonly matrix: Matrix,
    private readonly house: House,
  ) {}

  /** Are there keys that would be lost with this browser? */
  get isUsed(): boolean {
    return this.isMade
  }

  async remember(): Promise<void> {
    this.isMade = (await this.database.getKey('facts', SECRET)) !== undefined
  }

  // --- the phase of a sync that decrypts ---

  /**
   * Never waits for what has to be fetched first: what cannot be read now is kept, and read then. Rejects only in a tab
   * that leads no more.
   */
  async decrypt(reply: SyncReply): Promise<void> {
    if (!(this.keeper || concerns(reply)) || !(await this.hasKeys())) return
    await this.mustLead()
    if (!this.keeper) return this.keepForLater(reply)
    try {
      await this.keeper.take(reply)
      await this.keeper.openAll(reply)
    } catch {
      await this.keepForLater(reply)
    }
  }

  /** Another tab may have made them while it led. */
  private async hasKeys(): Promise<boolean> {
    if (!this.isMade) await this.remember()
    return this.isMade
  }

  /** After something changed: an encrypted room needs keys, and what was not tried yet is tried. */
  noticed({ rooms, entries }: Change): void {
    if (!this.house.isLeader() || !canEncrypt()) {
      if (!this.isMade) void this.remember().catch(() => {})
      return
    }
    if (!this.isMade && rooms.some((room) => room.encrypted && room.membership !== 'leave')) this.wake()
    const untried = entries.filter((entry) => isUntried(entry) || this.hasComeMeanwhile(entry))
    if (untried.length > 0) void this.read(untried).catch(() => {})
  }

  /** Its key came between the look at it and its being written. */
  private hasComeMeanwhile({ sealed, opened }: Entry): boolean {
    return sealed?.why === 'missing' && !opened && this.came.delete(sealed.session)
  }

  // --- going out ---

  /** The content that goes out instead; undefined where it goes as it is. Reactions do: what they say stands outside in any case. */
  async seal(item: Item): Promise<Json | undefined> {
    if (!this.house.room(item.room)?.encrypted || item.type === 'm.reaction') return undefined
    return (await this.load()).seal(item.room, item.type, item.content)
  }

  /** A file for a room; undefined where it goes as it is. */
  async sealFile(room: string, file: Blob): Promise<SealedFile | undefined> {
    if (!this.house.room(room)?.encrypted) return undefined
    return (await import('./crypto/files')).sealAttachment(file)
  }

  // --- what the screens ask, in whatever tab ---

  ask<K extends Name>(name: K, ...args: Parameters<Desk[K]>): ReturnType<Desk[K]> {
    return (this.house.isLeader() ? this.act(name, args) : this.askLeader(name, args)) as ReturnType<Desk[K]>
  }

  /** Puts beside encrypted events what they say; beside those of which that cannot be told now, nothing. */
  async openEach(room: string, events: readonly RawEvent[]): Promise<void> {
    const all = events.flatMap((event) => [event, event.unsigned?.['m.relations']?.['m.replace'] ?? []].flat())
    const sealed = all.filter((event) => event.type === 'm.room.encrypted' && event.state_key === undefined)
    if (sealed.length === 0 || !canEncrypt()) return
    const opened = await this.ask('read', room, sealed).catch(() => [])
    opened.forEach((one, at) => (sealed[at]!.opened = one))
  }

  /** An encrypted room was opened. */
  lookAt(room: string): void {
    if (this.house.isLeader()) void this.load().then((keeper) => keeper.lookAt(room)).catch(() => {})
    else this.house.ask({ kind: 'look', room })
  }

  /** Another tab asks the one that leads. */
  async serve({ id, name, args }: Extract<Asked, { kind: 'desk' }>): Promise<void> {
    try {
      this.house.tell({ kind: 'answer', id, value: await this.act(name as Name, args) })
    } catch (error) {
      this.house.tell({ kind: 'answer', id, error: error instanceof Refused ? { status: error.status, code: error.code } : { status: 0, code: '' } })
    }
  }

  answered({ id, value, error }: Extract<Told, { kind: 'answer' }>): void {
    const one = this.waiting.get(id)
    this.waiting.delete(id)
    if (error) one?.reject(error.status ? new Refused(error.status, error.code, '') : new Unreachable('the other tab could not'))
    else one?.resolve(value)
  }

  setFlows(flows: Flow[], tells: boolean): void {
    this.flows = flows
    if (tells) this.house.tell({ kind: 'flows', flows })
    this.house.emit()
  }

  /** Deletes every key that this browser keeps. */
  async forget(): Promise<void> {
    this.keeper?.close()
    const names = ['::matrix-sdk-crypto', '::matrix-sdk-crypto-meta'].map((end) => this.storeName() + end)
    const late = new Promise((resolve) => setTimeout(resolve, CLOSE_MS)) // another tab that still has them open closes now
    await Promise.race([Promise.allSettled(names.map((name) => deleteDB(name))), late])
  }

  /** Nobody is signed in: what is here of sessions that ended while the page was closed cannot be opened, and goes. */
  async sweep(): Promise<void> {
    const all = 'databases' in indexedDB ? await indexedDB.databases() : []
    for (const { name } of all) if (name?.startsWith(STORE)) void deleteDB(name).catch(() => {})
  }

  // --- inside ---

  private async act(name: Name, args: readonly unknown[]): Promise<unknown> {
    const keeper = await this.load()
    return (keeper[name] as (...args: readonly unknown[]) => Promise<unknown>)(...args)
  }

  private askLeader(name: Name, args: unknown[]): Promise<unknown> {
    const id = `${this.house.session()?.device} ${Math.random()} ${this.number++}`
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      setTimeout(() => this.waiting.delete(id) && reject(new Unreachable('no tab answers')), ANSWER_MS)
      this.house.ask({ kind: 'desk', id, name, args })
    })
  }

  private wake(): void {
    void this.load().catch(() => {})
  }

  /** Two tabs that use the same keys would spoil them. */
  private async mustLead(): Promise<void> {
    if (!(await this.house.leads())) throw new Unreachable('another tab leads')
  }

  private async load(): Promise<Keeper> {
    await this.mustLead()
    this.loading ??= this.open().catch((error) => {
      this.loading = undefined
      throw error
    })
    return this.loading
  }

  private async open(): Promise<Keeper> {
    const session = this.house.session()
    if (!session || !canEncrypt()) throw new Refused(400, 'BONGSU_ENCRYPTED', '')
    const { Keeper } = await import('./crypto/keeper')
    const keeper = await Keeper.open({
      session,
      store: this.storeName(),
      secret: await this.secret(),
      matrix: this.matrix,
      onKeys: (sessions) => void this.readLate(sessions).catch(() => {}),
      onPeople: (users) => void this.doubtAgain(users).catch(() => {}),
      onFlows: (flows) => this.setFlows(flows, true),
    })
    await this.readInbox(keeper)
    this.keeper = keeper
    void this.readInbox(keeper).then(() => this.readUntried()).catch(() => {}) // what came while the first look was taken
    return keeper
  }

  /** Under it the keys lie on disk. Once it is deleted, with everything else of the session, nothing opens them. */
  private async secret(): Promise<Uint8Array> {
    const before = (await this.database.get('facts', SECRET)) as Uint8Array | undefined
    const secret = before ?? crypto.getRandomValues(new Uint8Array(32))
    if (!before) await this.database.put('facts', secret, SECRET)
    this.isMade = true
    return secret
  }

  private storeName(): string {
    return STORE + (this.house.session()?.device ?? '')
  }

  // --- news of keys that wait for the keeper ---

  /** The server tells these things once. Written before the token of the sync, so that a crash repeats them at most. */
  private async keepForLater(reply: SyncReply): Promise<void> {
    const { to_device, device_lists, device_one_time_keys_count, device_unused_fallback_key_types } = reply
    const news = { to_device, device_lists, device_one_time_keys_count, device_unused_fallback_key_types, ...ofKeys(reply) }
    await this.database.put('facts', news, `${INBOX}${String(Date.now()).padStart(15, '0')} ${this.number++}`)
    this.wake()
    if (this.keeper) await this.readInbox(this.keeper).catch(() => {}) // it came meanwhile
  }

  /** One reader at a time: nothing is read twice because two began. */
  private readInbox(keeper: Keeper): Promise<void> {
    this.reading = this.reading.catch(() => {}).then(() => this.readAll(keeper))
    return this.reading
  }

  private async readAll(keeper: Keeper): Promise<void> {
    for (const key of await this.database.getAllKeys('facts', IDBKeyRange.bound(INBOX, `${INBOX}\uffff`))) {
      const news = (await this.database.get('facts', key)) as Late | undefined
      if (news) await this.takeLate(keeper, key, news)
    }
  }

  /** What cannot be taken after several tries is given up, so that it holds up nothing else. */
  private async takeLate(keeper: Keeper, key: string, news: Late): Promise<void> {
    const tries = (news.tries ?? 0) + 1
    await this.database.put('facts', { ...news, tries }, key)
    const isTaken = await keeper
      .take(news)
      .then(() => keeper.openAll(news))
      .then(
        () => true,
        () => false,
      )
    if (isTaken || tries >= TRIES_MAX) await this.database.delete('facts', key)
  }

  // --- what could not be read ---

  private async readLate(sessions: readonly string[]): Promise<void> {
    for (const session of new Set(sessions)) {
      this.came.add(session)
      setTimeout(() => this.came.delete(session), CAME_MS)
      const waiting = (await this.database.getAllFromIndex('entries', 'sealed', session)).filter((entry) => !entry.opened)
      if (waiting.length > 0) await this.read(waiting)
    }
  }

  private async readUntried(): Promise<void> {
    const waiting = await this.database.getAllFromIndex('entries', 'sealed')
    await this.read(waiting.filter(isUntried))
  }

  /** More is known of some people (of oneself, if nobody is named): who sent what may be sure now. */
  private async doubtAgain(users: readonly string[]): Promise<void> {
    const all = await this.database.getAllFromIndex('entries', 'sealed')
    const own = all.filter((entry) => entry.opened && (users.length === 0 || users.includes(entry.sender)))
    await this.read(own.slice(-DOUBTED_MAX))
    this.house.emit()
  }

  /** Tries to read entries, and keeps what came of it. What was redacted meanwhile stays so. */
  private async read(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return
    const keeper = await this.load()
    const opened = new Map<string, Entry>()
    for (const entry of entries) {
      if (entry.sealed) opened.set(entry.id, openedEntry(entry, await keeper.open(entry.room, entry.sealed.event)))
    }
    this.house.changed(await this.keep(opened))
  }

  private async keep(opened: ReadonlyMap<string, Entry>): Promise<Change> {
    const change: Change = { rooms: [], entries: [] }
    const transaction = this.database.transaction(['rooms', 'entries'], 'readwrite')
    const rooms = new Map<string, Room>()
    for (const entry of opened.values()) {
      const before = await transaction.objectStore('entries').get(entry.id)
      if (!before?.sealed) continue
      change.entries.push({ ...entry, order: before.order })
      void transaction.objectStore('entries').put(change.entries.at(-1)!)
      const room = rooms.get(entry.room) ?? (await transaction.objectStore('rooms').get(entry.room))
      if (room) rooms.set(room.id, withOpened(room, entry))
    }
    for (const room of rooms.values()) void transaction.objectStore('rooms').put(room)
    await transaction.done
    return { ...change, rooms: [...rooms.values()] }
  }
}

const isUntried = ({ sealed, opened }: Entry): boolean => sealed !== undefined && !opened && sealed.why === undefined

/** Does a reply tell anything that takes keys to read, or to keep up with? */
function concerns({ to_device, device_lists, device_one_time_keys_count: counts, device_unused_fallback_key_types: unused, rooms }: SyncReply): boolean {
  if (to_device?.events.length || device_lists?.changed?.length || device_lists?.left?.length) return true
  if (counts && (counts[KIND] ?? 0) < FEW_KEYS) return true
  if (unused && !unused.includes(KIND)) return true
  return Object.values(rooms?.join ?? {}).some(({ timeline }) => timeline?.events.some(isOfKeys))
}

/** Does an event of a room take keys to read, or belong to a verification? */
const isOfKeys = ({ type, content }: RawEvent): boolean => type === 'm.room.encrypted' || type.startsWith('m.key.') || content['msgtype'] === 'm.key.verification.request'

/** Of all that a reply tells of rooms, those events. */
function ofKeys({ rooms }: SyncReply): Rooms {
  const told = Object.entries(rooms?.join ?? {}).map(([room, { timeline }]) => [room, { timeline: { events: timeline?.events.filter(isOfKeys) ?? [] } }] as const)
  return { rooms: { join: Object.fromEntries(told.filter(([, { timeline }]) => timeline.events.length > 0)) } }
}
