import { Matrix, type Json } from '../net/matrix'
import { Sites } from '../net/sites'
import { Chats } from './chats'
import { destroy, openDatabase, type Database } from './database'
import { Doors } from './doors'
import { Drafts } from './drafts'
import { Encryption } from './encryption'
import type { Health } from './health'
import { Intents, type IntentDraft } from './intents'
import { Known, type Topic } from './known'
import { MediaShelf } from './media'
import { MediaCache } from './mediaCache'
import { Outbox, Sender } from './outbox'
import { Past } from './past'
import { Push } from './push'
import { whyShut } from './rooms'
import { Self } from './self'
import { Sights } from './sights'
import { Speech } from './speech'
import { SyncEngine } from './sync'
import { Tabs, type Asked, type Told } from './tabs'
import { Thrift } from './thrift'
import type { Account, Entry, Room, Session } from './types'
import { Weather } from './weather'
import { RoomWindow } from './window'

export type { Topic } from './known'

const DAY_MS = 86_400_000

/** Everything the screens may know and do, put together; and who of this browser's tabs does what. */
export class Client {
  /** An edit, a reaction or a redaction was refused; it leaves no message that could tell. */
  onRefused: (code: string) => void = () => {}
  readonly matrix: Matrix
  readonly media: MediaShelf
  readonly intents: Intents
  readonly sights: Sights
  readonly encryption: Encryption
  readonly push: Push
  readonly drafts: Drafts
  readonly self: Self
  readonly chats: Chats
  readonly speech: Speech
  readonly past: Past
  readonly doors: Doors
  private readonly known: Known
  private readonly weather: Weather
  private readonly thrift: Thrift
  private readonly tabs: Tabs
  private engine: SyncEngine | undefined
  private sender: Sender | undefined
  private isSending = false

  private constructor(
    private readonly database: Database,
    private readonly outbox: Outbox,
    sites: Sites,
  ) {
    this.matrix = new Matrix(sites)
    this.tabs = new Tabs(
      (told) => this.hear(told),
      (asked) => this.obey(asked),
    )
    this.known = new Known(database, this.tabs, (change) => this.encryption.noticed(change))
    this.weather = new Weather(this.known, outbox, sites, (health) => this.tabs.tell({ kind: 'health', health }))
    this.media = new MediaShelf(this.matrix, new MediaCache(database))
    this.thrift = new Thrift(database, this.media)
    this.sights = new Sights(database)
    this.intents = new Intents(database, this.matrix, () => this.intentsChanged())
    this.push = new Push(database, this.matrix)
    this.drafts = new Drafts(database, this.known, this.tabs)
    this.self = new Self(this.known, database, this.matrix)
    this.chats = new Chats(this.known, database, this.matrix, this.drafts, this.push)
    this.speech = new Speech(this.known, outbox, {
      changed: (room) => this.outboxChanged(room),
      cancel: (txn) => this.tabs.ask({ kind: 'cancel', txn }),
      makeRoom: () => this.makeRoom(),
    })
    this.encryption = new Encryption(database, this.matrix, {
      session: () => this.session,
      room: (id) => this.room(id),
      isLeader: () => this.tabs.isLeader,
      leads: () => this.tabs.leads(),
      tell: (told) => this.tabs.tell(told),
      ask: (asked) => this.tabs.ask(asked),
      changed: (change) => this.known.changed(change),
      emit: () => this.known.emit('encryption'),
    })
    this.past = new Past(this.known, database, this.matrix, this.encryption)
    this.doors = new Doors(this.known, database, this.matrix, outbox, this.drafts, {
      tell: (told) => this.tabs.tell(told),
      reload: () => location.reload(),
      begin: () => this.remember(),
      stop: () => this.stop(),
      clearMedia: () => this.media.clear(),
      forget: () => this.forget(),
      refused: (code) => this.onRefused(code),
    })
    this.matrix.onSignedOut = () => void this.doors.expel()
    sites.onChange = () => this.engine?.hurry()
  }

  static async open(): Promise<Client> {
    const database = await openDatabase(() => location.reload())
    const sites = new Sites([location.origin])
    sites.learn(((await database.get('facts', 'sites')) as string[] | undefined) ?? [])
    const client = new Client(database, new Outbox(database), sites)
    await client.remember()
    return client
  }

  // --- what is known ---

  on(topic: Topic, run: () => void): () => void {
    return this.known.on(topic, run)
  }

  /** Events of all rooms, as they come in. */
  watch(run: (entries: readonly Entry[]) => void): () => void {
    return this.known.watch(run)
  }

  get session(): Session | null {
    return this.known.session
  }

  get me(): string {
    return this.known.me
  }

  get account(): Account {
    return this.known.account
  }

  get health(): Health {
    return this.weather.health
  }

  rooms(): Room[] {
    return this.known.rooms()
  }

  room(id: string): Room | undefined {
    return this.known.room(id)
  }

  unreadTotal(): number {
    return this.rooms().reduce((sum, room) => sum + (room.membership === 'join' ? room.unread : room.membership === 'invite' ? 1 : 0), 0)
  }

  openWindow(id: string): RoomWindow {
    const window = new RoomWindow(id, this.database, this.matrix, (room, entries, hasArrived) => {
      this.known.changed({ rooms: [room], entries })
      if (hasArrived) this.outboxChanged(id)
    })
    this.known.windows.add(window)
    if (this.room(id)?.encrypted) this.encryption.lookAt(id)
    return window
  }

  closeWindow(window: RoomWindow): void {
    this.known.windows.delete(window)
  }

  /** What somebody wants of a service: on disk first, and sent until it is answered. Returns its key. */
  intend(draft: IntentDraft): Promise<string> {
    return this.intents.put(draft)
  }

  // --- beginning ---

  /** What the disk knows; then, if somebody is signed in, this tab leads or follows. */
  private async remember(): Promise<void> {
    this.known.session = ((await this.database.get('facts', 'session')) as Session | undefined) ?? null
    if (!this.session) return this.sweepUp().catch(() => {})
    this.matrix.token = this.session.token
    const { memory } = this.known
    memory.account = ((await this.database.get('facts', 'account')) as Account | undefined) ?? memory.account
    await this.self.remember()
    await this.doors.takeUp()
    await this.drafts.remember()
    await this.encryption.remember()
    for (const room of await this.database.getAll('rooms')) memory.rooms.set(room.id, room)
    this.tabs.lead(
      () => this.lead(),
      () => this.lost(),
    )
    this.yieldWhenAsleep()
    void this.learnSites()
    void this.self.learn()
    this.tabs.ask({ kind: 'health' })
    addEventListener('online', () => this.tabs.ask({ kind: 'hurry', isElsewhere: true }))
    addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.tabs.ask({ kind: 'hurry', isElsewhere: false }))
  }

  /** Another tab leads, for this one was asleep; what it has in memory is of before. */
  private lost(): void {
    this.stop()
    location.reload()
  }

  /** A page that the browser keeps for when somebody goes back, or freezes, hands the lead over first. */
  private yieldWhenAsleep(): void {
    let led = false
    const sleep = () => (led = this.tabs.yield() || led)
    const wake = () => led && location.reload()
    addEventListener('pagehide', (event) => event.persisted && sleep())
    addEventListener('pageshow', (event) => event.persisted && wake())
    document.addEventListener('freeze', sleep)
    document.addEventListener('resume', wake)
  }

  /** Of whoever was here before, and whose end was cut off. */
  private async sweepUp(): Promise<void> {
    await Promise.all([this.media.clear(), this.encryption.sweep()])
  }

  private async learnSites(): Promise<void> {
    const told = await this.matrix.wellKnown().catch(() => ({}) as Json)
    const sites = told['bongsu.sites']
    if (!Array.isArray(sites)) return
    const urls = sites.filter((url): url is string => typeof url === 'string').map((url) => url.replace(/\/+$/, ''))
    this.matrix.sites.learn(urls)
    await this.database.put('facts', urls, 'sites')
  }

  private lead(): void {
    this.engine = new SyncEngine(this.matrix, this.database, this.known.memory, {
      changed: (change) => {
        this.known.changed(change)
        void this.startSending()
      },
      typing: (room, users) => {
        this.tabs.tell({ kind: 'typing', room, users })
        this.chats.setTypists(room, users)
      },
      heard: () => void (this.weather.heard() && this.wake()),
      arrived: (room) => this.outboxChanged(room),
      failed: (fault) => {
        this.weather.failed(fault)
        if (fault === 'full') void this.makeRoom().catch(() => {})
      },
      decrypt: (reply) => this.encryption.decrypt(reply),
    })
    this.sender = new Sender(
      this.outbox,
      this.matrix,
      (room) => whyShut(this.room(room)),
      (room) => this.outboxChanged(room),
      (txn, share) => {
        this.tabs.tell({ kind: 'progress', txn, share })
        this.speech.setUploaded(txn, share)
      },
      (code) => this.onRefused(code),
      this.encryption,
    )
    void this.engine.run()
    void this.startSending()
    void this.intents.start()
    void this.sights.sweep().catch(() => {})
    this.weather.watch()
  }

  /** What waits is sent once it is known which rooms one is in. */
  private async startSending(): Promise<void> {
    if ((await this.database.get('facts', 'since')) === undefined || this.isSending) return
    this.isSending = true
    try {
      await this.sweep()
      await this.sender?.start()
    } catch {
      this.isSending = false // the disk of this browser refuses; the next sync tries again
    }
  }

  /** What was sent, and arrived by a way that did not name its transaction, is done. */
  private async sweep(): Promise<void> {
    for (const item of await this.outbox.all()) {
      const isHere = item.eventId !== undefined && (await this.database.getKey('entries', item.eventId)) !== undefined
      if (isHere || (item.state === 'sent' && item.at < Date.now() - DAY_MS)) await this.outbox.remove(item.txn)
    }
  }

  private async makeRoom(): Promise<void> {
    const rooms = await this.thrift.makeRoom()
    if (rooms.length > 0) this.known.changed({ rooms, entries: [] })
  }

  // --- between tabs ---

  private outboxChanged(room: string): void {
    this.tabs.tell({ kind: 'outbox', room })
    this.known.emit(`outbox ${room}`)
    void this.sender?.flush(room)
  }

  private intentsChanged(): void {
    this.tabs.tell({ kind: 'intents' })
    this.known.emit('intents')
  }

  /** Somebody looks, or the network is another one. */
  private hurry(isElsewhere: boolean): void {
    if (isElsewhere || this.weather.isDoubtful) this.engine?.hurry()
    this.wake()
  }

  private wake(): void {
    void this.sender?.wake()
    this.intents.wake()
  }

  private hear(told: Told): void {
    switch (told.kind) {
      case 'changed':
        return this.known.apply(told)
      case 'outbox':
        this.known.emit(`outbox ${told.room}`)
        return void this.sender?.flush(told.room)
      case 'intents':
        this.known.emit('intents')
        return this.intents.flush()
      case 'progress':
        return this.speech.setUploaded(told.txn, told.share)
      case 'typing':
        return this.chats.setTypists(told.room, told.users)
      case 'health':
        return this.weather.set(told.health, false)
      case 'flows':
        return this.encryption.setFlows(told.flows, false)
      case 'answer':
        return this.encryption.answered(told)
      case 'draft':
        return this.drafts.heard(told.place, told.text)
      case 'came':
        return this.doors.came()
      case 'leaving':
        return this.doors.setLeaving(told.is)
      case 'gone':
        return location.reload()
    }
  }

  /** What any tab asks of this one, which leads. */
  private obey(asked: Asked): void {
    switch (asked.kind) {
      case 'cancel':
        return this.sender?.cancel(asked.txn)
      case 'hurry':
        return this.hurry(asked.isElsewhere)
      case 'health':
        this.tabs.tell({ kind: 'flows', flows: this.encryption.flows })
        return this.tabs.tell({ kind: 'health', health: this.health })
      case 'look':
        return this.encryption.lookAt(asked.room)
      case 'desk':
        return void this.encryption.serve(asked)
    }
  }

  // --- the end ---

  private stop(): void {
    this.engine?.stop()
    this.sender?.stop()
    this.intents.stop()
    this.weather.stop()
  }

  private async forget(): Promise<void> {
    this.stop()
    await this.push.over()
    this.tabs.tell({ kind: 'gone' })
    this.tabs.close()
    addEventListener('unhandledrejection', (event) => event.preventDefault()) // whatever still reads finds the database closed, and this page ends
    await destroy(this.database)
    await this.media.clear().catch(() => {}) // now that no tab can keep another file
    await this.encryption.forget()
    localStorage.clear()
    location.assign('/app/')
  }
}
