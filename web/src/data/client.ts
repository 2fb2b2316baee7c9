import { Matrix, type Json, type Login } from '../net/matrix'
import { Refused } from '../net/errors'
import { Sites } from '../net/sites'
import { asItReads, leftRoom, readAll, type Change } from './arrival'
import { bare } from './bare'
import { deleteDatabase, deleteRoom, openDatabase, type Database } from './database'
import type { Shelf } from './drawer'
import { ask, findKept, foundIn } from './finding'
import { Gathering, type Reads } from './gathering'
import { Encryption } from './encryption'
import { healthOf, type Facts, type Health } from './health'
import { Intents, type IntentDraft } from './intents'
import { isNothing, leaving, leavingIntent, left, type Belongings, type Waiting } from './left'
import { describeFile, MediaShelf } from './media'
import { MediaCache } from './mediaCache'
import { contentOf, type Mentions } from './content'
import type { Spoken } from './mentions'
import { PINNED, repinned, type Pinning } from './pins'
import { endContent, POLL_START, pollContent, voteContent, type Poll, type Question } from './poll'
import { mayBeThere, newItem, Outbox, Sender, takesBack, type Draft } from './outbox'
import { Push } from './push'
import { whyShut } from './rooms'
import { Sights } from './sights'
import { SyncEngine, type Fault, type Memory } from './sync'
import { Tabs, type Asked, type Told } from './tabs'
import type { Message } from './timeline'
import { threadRelation } from './threads'
import { ThreadWindow } from './threadWindow'
import { NO_ACCOUNT, type Account, type Entry, type Item, type Room, type Session } from './types'
import { voiceContent, type Recording } from './voice'
import { Visit, type Present } from './visit'
import { kept, RoomWindow } from './window'

export type Topic = 'session' | 'rooms' | 'health' | 'profile' | 'intents' | 'encryption' | `room ${string}` | `outbox ${string}` | `typing ${string}` | `upload ${string}`

/** Where something is said: in answer to a message, in a thread; last: the thread's newest message that has arrived. */
export interface Place {
  replyTo?: Message | undefined
  thread?: { root: string; last: string } | undefined
}

export interface Profile {
  name?: string
  avatar?: string
}

const ENCRYPTION = 'm.room.encryption'
const MEGOLM = { algorithm: 'm.megolm.v1.aes-sha2' }
const TICK_MS = 1_000
const DAY_MS = 86_400_000
const TYPING_MS = 4_000
const EXPEL_AGAIN_MS = 10_000
const DRAFT = 'draft '

/** Everything the screens may know and do. They listen to topics and read again. */
export class Client {
  session: Session | null = null
  profile: Profile = {}
  health: Health = { kind: 'normal' }
  /** An edit, a reaction or a redaction was refused; it leaves no message that could tell. */
  onRefused: (code: string) => void = () => {}
  readonly matrix: Matrix
  readonly media: MediaShelf
  readonly intents: Intents
  readonly sights: Sights
  readonly encryption: Encryption
  readonly push: Push
  private readonly memory: Memory = { rooms: new Map(), account: NO_ACCOUNT }
  private readonly typists = new Map<string, string[]>()
  private readonly shares = new Map<string, number>()
  private readonly listeners = new Map<Topic, Set<() => void>>()
  private readonly windows = new Set<RoomWindow>()
  private readonly watchers = new Set<(entries: readonly Entry[]) => void>()
  private readonly facts = { heardAt: Date.now(), isCut: false, isFull: false }
  private readonly tabs: Tabs
  private engine: SyncEngine | undefined
  private sender: Sender | undefined
  private typedAt = 0
  private isLeaving = false
  private isSending = false
  private readonly drafts = new Map<string, string>()
  private readTo = new Map<string, string>()

  private constructor(
    private readonly database: Database,
    private readonly outbox: Outbox,
    sites: Sites,
  ) {
    this.matrix = new Matrix(sites)
    this.media = new MediaShelf(this.matrix, new MediaCache(database))
    this.sights = new Sights(database)
    this.intents = new Intents(database, this.matrix, () => this.intentsChanged())
    this.push = new Push(database, this.matrix)
    this.tabs = new Tabs(
      (told) => this.hear(told),
      (asked) => this.obey(asked),
    )
    this.encryption = new Encryption(database, this.matrix, {
      session: () => this.session,
      room: (id) => this.room(id),
      isLeader: () => this.tabs.isLeader,
      tell: (told) => this.tabs.tell(told),
      ask: (asked) => this.tabs.ask(asked),
      changed: (change) => this.changed(change),
      emit: () => this.emit('encryption'),
    })
    this.matrix.onSignedOut = () => void this.expel()
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

  // --- listening ---

  on(topic: Topic, run: () => void): () => void {
    const all = this.listeners.get(topic) ?? new Set()
    this.listeners.set(topic, all)
    all.add(run)
    return () => all.delete(run)
  }

  /** Events of all rooms, as they come in. */
  watch(run: (entries: readonly Entry[]) => void): () => void {
    this.watchers.add(run)
    return () => this.watchers.delete(run)
  }

  private emit(topic: Topic): void {
    for (const run of this.listeners.get(topic) ?? []) run()
  }

  // --- account ---

  get me(): string {
    return this.session?.user ?? ''
  }

  get account(): Account {
    return this.memory.account
  }

  async signIn(user: string, password: string, deviceName: string): Promise<void> {
    await this.begin(await this.matrix.login(user, password, deviceName))
  }

  async signInByToken(token: string, deviceName: string): Promise<void> {
    await this.begin(await this.matrix.loginByToken(token, deviceName))
  }

  async signUp(user: string, password: string, deviceName: string, token: string): Promise<void> {
    await this.begin(await this.matrix.register(user, password, deviceName, token))
  }

  /** The server ends the session if it can be reached; what this browser kept is gone in any case, unsent messages first. */
  async signOut(): Promise<void> {
    this.isLeaving = true
    await this.outbox.clear()
    await this.database.clear('intents')
    for (const room of this.drafts.keys()) await this.database.delete('facts', `${DRAFT}${room}`)
    await this.matrix.logout().catch(() => {})
    await this.forget()
  }

  /** How many messages and requests signing out would take away. */
  async unsent(): Promise<number> {
    const { items, intents } = await this.belongings()
    return items.length + intents.length
  }

  /** What was written or wanted here, and is not answered. */
  private async belongings(): Promise<Belongings> {
    const items = (await this.outbox.all()).flatMap((item) => leaving(item, this.session!.device) ?? [])
    const intents = (await this.database.getAll('intents')).flatMap((intent) => leavingIntent(intent) ?? [])
    return { items, intents, drafts: this.drafts }
  }

  /** Whose unsent messages and requests wait here until they sign in again. */
  async leftBehind(): Promise<Waiting[]> {
    return left.people().catch(() => [])
  }

  dropLeftBehind(user: string): Promise<void> {
    return left.drop(user)
  }

  /** The account is no more; what this browser kept of it goes as well. */
  async deactivate(password: string, erase: boolean): Promise<void> {
    this.isLeaving = true // who goes is not expelled
    try {
      await this.matrix.deactivate(this.me, password, erase)
    } catch (error) {
      this.isLeaving = false
      throw error
    }
    await this.forget()
  }

  async setIgnored(user: string, is: boolean): Promise<void> {
    const others = this.account.ignored.filter((one) => one !== user)
    const ignored = is ? [...others, user] : others
    await this.matrix.setAccountData(this.me, 'm.ignored_user_list', { ignored_users: Object.fromEntries(ignored.map((one) => [one, {}])) })
    this.changed({ rooms: [], entries: [], account: { ...this.account, ignored } })
  }

  async setName(name: string): Promise<void> {
    await this.matrix.setProfile(this.me, 'displayname', name)
    await this.keepProfile({ ...this.profile, name })
  }

  async setPhoto(file: File): Promise<void> {
    const { content_uri: avatar } = await this.matrix.createMedia()
    await this.matrix.upload(avatar, await bare(file), () => {}, new AbortController().signal)
    await this.matrix.setProfile(this.me, 'avatar_url', avatar)
    await this.keepProfile({ ...this.profile, avatar })
  }

  async removePhoto(): Promise<void> {
    await this.matrix.setProfile(this.me, 'avatar_url', '')
    const { avatar: _, ...profile } = this.profile
    await this.keepProfile(profile)
  }

  // --- rooms ---

  rooms(): Room[] {
    return [...this.memory.rooms.values()]
  }

  unreadTotal(): number {
    return this.rooms().reduce((sum, room) => sum + (room.membership === 'join' ? room.unread : room.membership === 'invite' ? 1 : 0), 0)
  }

  room(id: string): Room | undefined {
    return this.memory.rooms.get(id)
  }

  /** The room for two with somebody; made, if there is none. isSecret: an encrypted one is wanted. */
  async direct(user: string, isSecret = false): Promise<string> {
    const isIt = (room: Room | undefined) => room?.membership === 'join' && (!isSecret || room.encrypted)
    const before = this.account.direct[user]?.find((id) => isIt(this.room(id)))
    if (before) return before
    const body = { preset: 'trusted_private_chat', is_direct: true, invite: [user], ...secrecy(isSecret) }
    const { room_id: room } = await this.matrix.createRoom(body)
    const direct = { ...this.account.direct, [user]: [room, ...(this.account.direct[user] ?? [])] }
    await this.setDirect(direct)
    return room
  }

  async group(name: string, people: string[], isSecret = false): Promise<string> {
    const body = { preset: 'private_chat', invite: people, ...(name && { name }), ...secrecy(isSecret) }
    return (await this.matrix.createRoom(body)).room_id
  }

  /** From now on, and for ever, what is said in a room is encrypted. */
  async encrypt(id: string): Promise<void> {
    await this.matrix.setState(id, ENCRYPTION, MEGOLM)
    await this.patch(id, (room) => ({ ...room, encrypted: true }))
  }

  /** A link, an alias or an id. */
  async join(address: string): Promise<string> {
    const before = this.room(address)
    const inviter = before?.isDirect ? before.inviter : undefined
    const room = (await this.matrix.join(roomAddress(address))).room_id
    if (inviter) {
      await this.setDirect({ ...this.account.direct, [inviter]: [room, ...(this.account.direct[inviter] ?? [])] })
    }
    return room
  }

  async leave(id: string): Promise<void> {
    await this.matrix.leave(id)
    void this.matrix.forget(id).catch(() => {}) // it is out of the list either way
    const transaction = this.database.transaction(['entries', 'outbox'], 'readwrite')
    await deleteRoom(transaction.objectStore('entries'), id)
    await deleteRoom(transaction.objectStore('outbox'), id)
    await transaction.done
    for (const name of [...this.drafts.keys()].filter((one) => one === id || one.startsWith(`${id} `))) await this.keepDraft(name, '')
    await this.patch(id, leftRoom)
  }

  async setMuted(id: string, is: boolean): Promise<void> {
    await this.matrix.mute(id, is)
    const muted = this.account.muted.filter((room) => room !== id)
    this.changed({ rooms: [], entries: [], account: { ...this.account, muted: is ? [...muted, id] : muted } })
  }

  /** Everybody who is in the room; asked of the server, for a sync tells only of those who spoke. */
  async loadMembers(id: string): Promise<void> {
    const { joined } = await this.matrix.members(id)
    await this.patch(id, (room) => {
      const here = Object.entries(joined).map(([user, { display_name: name, avatar_url: avatar }]) => {
        return [user, { membership: 'join', ...(name && { name }), ...(avatar && { avatar }) }] as const
      })
      const others = Object.entries(room.members).filter(([, member]) => member.membership !== 'join')
      return { ...room, joined: here.length, members: { ...Object.fromEntries(others), ...Object.fromEntries(here) } }
    })
  }

  /** Where people are named: everybody has to be known, and once is enough. */
  async loadMembersOnce(id: string): Promise<void> {
    const room = this.room(id)
    const known = Object.values(room?.members ?? {}).filter((member) => member.membership === 'join')
    if (room && known.length < room.joined) await this.loadMembers(id).catch(() => {}) // those that are known can be named
  }

  openWindow(id: string): RoomWindow {
    const window = new RoomWindow(id, this.database, this.matrix, (room, entries, hasArrived) => {
      this.changed({ rooms: [room], entries })
      if (hasArrived) this.outboxChanged(id)
    })
    this.windows.add(window)
    if (this.room(id)?.encrypted) this.encryption.lookAt(id)
    return window
  }

  closeWindow(window: RoomWindow): void {
    this.windows.delete(window)
  }

  /** Threads that have something unread stay unread when the room is read; without any, one receipt does for all. */
  async markRead(id: string, event: string, thread?: string): Promise<void> {
    const place = `${id} ${thread ?? ''}`
    if (this.readTo.get(place) === event) return
    this.readTo.set(place, event)
    const hasThreads = Object.keys(this.room(id)?.threads ?? {}).length > 0
    try {
      void this.push.read(id).catch(() => {})
      await (thread !== undefined || hasThreads ? this.matrix.readIn(thread ?? 'main', id, event) : this.matrix.read(id, event))
      await this.patch(id, (room) => readAll(room, this.me, event, thread))
    } catch {
      this.readTo.delete(place) // the next look tries again
    }
  }

  typing(id: string): string[] {
    return (this.typists.get(id) ?? []).filter((user) => user !== this.me)
  }

  typed(id: string, isTyping: boolean): void {
    const now = Date.now()
    if (isTyping && now - this.typedAt < TYPING_MS) return
    if (!isTyping && this.typedAt === 0) return
    this.typedAt = isTyping ? now : 0
    void this.matrix.typing(id, this.me, isTyping).catch(() => {})
  }

  /** The messages kept of a room, newest first. */
  keptOf(id: string): Promise<Entry[]> {
    return kept(this.database, id)
  }

  /** What was sent in some rooms; onChange: there is more of it. */
  gather(rooms: readonly Room[], shelf: Shelf, words: string, onChange: () => void): Gathering {
    const reads: Reads = {
      kept: (room) => this.keptOf(room),
      files: (room, from) => this.matrix.files(room, from),
      find: (wanted, among, from) => this.matrix.find(wanted, among, from),
    }
    return new Gathering(reads, rooms, shelf, words, this.account.ignored, onChange)
  }

  /** What this device has seen; without a room, in all of them. */
  findHere(words: string, room?: Room): Promise<Entry[]> {
    return findKept(this.database, room ? [room] : this.rooms().filter(({ membership }) => membership === 'join'), words)
  }

  /** What the server has, newest first, and where it goes on; undefined when no server answers. */
  async findThere(words: string, room?: string, from?: string): Promise<{ entries: Entry[]; next?: string } | undefined> {
    const page = await ask(this.matrix, words, room, from)
    const isHere = (id: string) => this.room(id)?.membership === 'join'
    return page && { entries: foundIn(page.chunk, isHere), ...(page.end !== undefined && { next: page.end }) }
  }

  // --- places in a room's past, and threads ---

  async visit(room: string, event: string, present: Present): Promise<Visit> {
    const visit = new Visit(room, this.matrix, present, (events) => this.encryption.openEach(room, events))
    await visit.open(event)
    return visit
  }

  openThread(room: string, root: string): ThreadWindow {
    return new ThreadWindow(room, root, this.database, this.matrix, (events) => this.encryption.openEach(room, events))
  }

  /** One event as it reads now: from the disk, else from the server. */
  async lookUp(room: string, event: string): Promise<Entry> {
    const here = (await this.keptOf(room)).find((entry) => entry.id === event) ?? (await this.database.get('entries', event))
    if (here) return here
    const told = await this.matrix.event(room, event)
    await this.encryption.openEach(room, [told])
    return asItReads(told, room, 0)
  }

  /** The first event at or after a moment; after the last one, the last. */
  async eventAt(room: string, ts: number): Promise<string> {
    const after = await this.matrix.eventAt(room, ts, 'f').catch((error) => {
      if (error instanceof Refused && error.code === 'M_NOT_FOUND') return undefined
      throw error
    })
    return (after ?? (await this.matrix.eventAt(room, ts, 'b'))).event_id
  }

  /** The list is read anew first, so that what somebody else pinned meanwhile stays. */
  async pin(id: string, event: string, how: Pinning): Promise<void> {
    const told = await this.matrix.state(id, PINNED).catch((error) => {
      if (error instanceof Refused && error.code === 'M_NOT_FOUND') return {} as Json
      throw error
    })
    const pinned = repinned(contentOf(told).pinned ?? [], event, how)
    if (!pinned) return
    await this.matrix.setState(id, PINNED, { ...told, pinned })
    await this.patch(id, (room) => ({ ...room, pinned }))
  }

  // --- saying things: on disk first ---

  waiting(id: string): Promise<Item[]> {
    return this.outbox.of(id)
  }

  uploaded(txn: string): number {
    return this.shares.get(txn) ?? 0
  }

  async say(room: string, said: Spoken, place: Place = {}): Promise<void> {
    const { replyTo } = place
    const called = [...new Set([...(replyTo && replyTo.sender !== this.me ? [replyTo.sender] : []), ...(said.mentions.user_ids ?? [])])]
    const mentions: Mentions = { ...said.mentions, ...(called.length > 0 && { user_ids: called }) }
    await this.post({ room, type: 'm.room.message', content: { ...worded(said), 'm.mentions': mentions, ...related(place) } })
  }

  /** before: whom the message called already; nobody is called twice. */
  async edit(room: string, event: string, said: Spoken, before: readonly string[] = []): Promise<void> {
    const content = { ...worded(said), 'm.mentions': said.mentions }
    const fresh = (said.mentions.user_ids ?? []).filter((user) => !before.includes(user))
    await this.post({
      room,
      type: 'm.room.message',
      content: {
        msgtype: 'm.text',
        body: `* ${said.body}`,
        'm.mentions': fresh.length > 0 ? { user_ids: fresh } : {},
        'm.new_content': content,
        'm.relates_to': { rel_type: 'm.replace', event_id: event },
      },
    })
  }

  async askPoll(room: string, question: Question, place: Place = {}): Promise<void> {
    await this.post({ room, type: POLL_START, content: { ...pollContent(question), ...related(place) } })
  }

  async vote(room: string, poll: string, ids: readonly string[]): Promise<void> {
    await this.post({ room, type: 'm.poll.response', content: voteContent(poll, ids) })
  }

  /** words: what clients show that know no polls. */
  async endPoll(room: string, event: string, poll: Poll, words: string): Promise<void> {
    await this.post({ room, type: 'm.poll.end', content: endContent(event, poll, words) })
  }

  async react(room: string, event: string, key: string): Promise<void> {
    const relation = { rel_type: 'm.annotation', event_id: event, key }
    await this.post({ room, type: 'm.reaction', content: { 'm.relates_to': relation } })
  }

  /** Takes something back. What the server cannot have yet never goes; the rest is redacted, once it has its event. */
  async takeBack(room: string, id: string): Promise<void> {
    const item = await this.outbox.get(id)
    await (item && !mayBeThere(item) ? this.discard(id) : this.redact(room, item?.eventId ?? id))
  }

  async redact(room: string, event: string): Promise<void> {
    await this.post({ room, type: 'm.room.redaction', content: {}, redacts: event })
  }

  async sendFiles(room: string, files: readonly File[], place: Place = {}): Promise<void> {
    for (const given of files) {
      const file = await bare(given)
      const content = { ...(await describeFile(file)), ...related(place) }
      await this.post({ room, type: 'm.room.message', content, attachment: { blob: file, name: file.name } })
    }
  }

  async sendVoice(room: string, recording: Recording, place: Place = {}): Promise<void> {
    const { blob, name } = recording
    await this.post({ room, type: 'm.room.message', content: { ...voiceContent(recording), ...related(place) }, attachment: { blob, name } })
  }

  /** Tries something again that was refused; the id stays. */
  async retry(txn: string): Promise<void> {
    const item = await this.outbox.get(txn)
    if (!item || item.state !== 'failed') return
    const { error: _, ...rest } = item
    await this.outbox.put({ ...rest, state: 'queued', notBefore: 0 })
    this.outboxChanged(item.room)
  }

  /** Takes out what has not gone out. */
  private async discard(txn: string): Promise<void> {
    const item = await this.outbox.get(txn)
    if (!item) return
    await this.outbox.remove(txn)
    this.tabs.ask({ kind: 'cancel', txn })
    this.outboxChanged(item.room)
  }

  // --- services: what somebody wants done is on disk first, and sent until it is answered ---

  /** Returns its key. */
  intend(draft: IntentDraft): Promise<string> {
    return this.intents.put(draft)
  }

  private intentsChanged(): void {
    this.tabs.tell({ kind: 'intents' })
    this.emit('intents')
  }

  // --- drafts ---

  draft(room: string): string {
    return this.drafts.get(room) ?? ''
  }

  async keepDraft(room: string, text: string): Promise<void> {
    this.drafts.set(room, text)
    await (text ? this.database.put('facts', text, `${DRAFT}${room}`) : this.database.delete('facts', `${DRAFT}${room}`))
    this.emit(`room ${room}`)
  }

  // --- inside ---

  private lastSeq = 0

  private async post(draft: Draft): Promise<void> {
    const why = takesBack(draft) ? undefined : whyShut(this.room(draft.room))
    if (why) throw new Refused(403, why, '')
    this.lastSeq = Math.max(Date.now(), this.lastSeq + 1)
    const item = { ...newItem(draft, Date.now()), seq: this.lastSeq }
    await this.outbox.put(item)
    this.outboxChanged(item.room)
  }

  private outboxChanged(room: string): void {
    this.tabs.tell({ kind: 'outbox', room })
    this.emit(`outbox ${room}`)
    void this.sender?.flush(room)
  }

  private async begin(login: Login): Promise<void> {
    const session = { user: login.user_id, device: login.device_id, token: login.access_token }
    await this.database.put('facts', session, 'session')
    void navigator.storage?.persist().catch(() => {}) // what is not sent yet should outlive a full disk
    await this.remember()
    this.emit('session')
  }

  /** What the disk knows; then, if somebody is signed in, this tab leads or follows. */
  private async remember(): Promise<void> {
    this.session = ((await this.database.get('facts', 'session')) as Session | undefined) ?? null
    if (!this.session) return
    this.matrix.token = this.session.token
    this.memory.account = ((await this.database.get('facts', 'account')) as Account | undefined) ?? NO_ACCOUNT
    this.profile = ((await this.database.get('facts', 'profile')) as Profile | undefined) ?? {}
    await this.takeUp()
    await this.rememberDrafts()
    await this.encryption.remember()
    for (const room of await this.database.getAll('rooms')) this.memory.rooms.set(room.id, room)
    this.tabs.lead(() => this.lead())
    void this.learnSites()
    void this.learnProfile()
    this.tabs.ask({ kind: 'health' })
    addEventListener('online', () => this.tabs.ask({ kind: 'hurry' }))
    addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.tabs.ask({ kind: 'hurry' }))
  }

  /** Each under a name of its own, so that two tabs do not write over each other. Once they were all in one. */
  private async rememberDrafts(): Promise<void> {
    const once = ((await this.database.get('facts', 'drafts')) as Record<string, string> | undefined) ?? {}
    for (const [room, text] of Object.entries(once)) await this.database.put('facts', text, `${DRAFT}${room}`)
    await this.database.delete('facts', 'drafts')
    for (const key of await this.database.getAllKeys('facts', IDBKeyRange.bound(DRAFT, `${DRAFT}\uffff`))) {
      this.drafts.set(key.slice(DRAFT.length), (await this.database.get('facts', key)) as string)
    }
  }

  /** What this person had left behind here. Nothing is sent before it is dropped there, so nothing is sent twice. */
  private async takeUp(): Promise<void> {
    const mine = await left.of(this.me).catch(() => null)
    if (!mine || isNothing(mine)) return
    for (const item of mine.items) await this.outbox.put(item)
    for (const intent of mine.intents) await this.database.put('intents', intent)
    for (const [room, text] of mine.drafts) await this.database.put('facts', text, `${DRAFT}${room}`)
    await left.drop(this.me)
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

  private lead(): void {
    this.engine = new SyncEngine(this.matrix, this.database, this.memory, {
      changed: (change) => {
        this.changed(change)
        void this.startSending()
      },
      typing: (room, users) => this.setTypists(room, users, true),
      heard: () => this.heard(),
      arrived: (room) => this.outboxChanged(room),
      failed: (fault) => this.failed(fault),
      decrypt: (reply) => this.encryption.decrypt(reply),
    })
    this.sender = new Sender(this.outbox, this.matrix, (room) => whyShut(this.room(room)), (room) => this.outboxChanged(room), (txn, share) => this.setShare(txn, share, true), (code) => this.onRefused(code), this.encryption)
    void this.engine.run()
    void this.startSending()
    void this.intents.start()
    void this.sights.sweep().catch(() => {})
    setInterval(() => void this.look().catch(() => {}), TICK_MS)
  }

  /** What was sent, and arrived by a way that did not name its transaction, is done. */
  private async sweep(): Promise<void> {
    for (const item of await this.outbox.all()) {
      const isHere = item.eventId !== undefined && (await this.database.getKey('entries', item.eventId)) !== undefined
      if (isHere || (item.state === 'sent' && item.at < Date.now() - DAY_MS)) await this.outbox.remove(item.txn)
    }
  }

  private failed(fault: Fault): void {
    if (fault === 'cut') this.facts.isCut = true
    if (fault === 'full') this.facts.isFull = true
  }

  private heard(): void {
    const wasCut = this.facts.isCut
    this.facts.heardAt = Date.now()
    this.facts.isCut = false
    this.facts.isFull = false
    if (wasCut) this.wake()
    void this.look().catch(() => {}) // the database may just be closing
  }

  /** What the banner says: found out by the tab that leads, told to the others. */
  private async look(): Promise<void> {
    const open = (await this.outbox.all()).filter((item) => item.state === 'queued' || item.state === 'sending')
    const facts: Facts = {
      ...this.facts,
      isElsewhere: this.matrix.sites.isElsewhere,
      waiting: open.length,
      waitingSince: oldest(open.filter((item) => !isUploading(item))),
      cannotWrite: open.some((item) => item.cannot === true),
    }
    this.setHealth(healthOf(facts, Date.now()), true)
    void this.matrix.sites.tryHome()
  }

  private setHealth(health: Health, tells: boolean): void {
    if (JSON.stringify(health) === JSON.stringify(this.health)) return
    this.health = health
    if (tells) this.tabs.tell({ kind: 'health', health })
    this.emit('health')
  }

  private hurry(): void {
    if (this.facts.isCut) this.engine?.hurry()
    this.wake()
  }

  private wake(): void {
    void this.sender?.wake()
    this.intents.wake()
  }

  private async learnSites(): Promise<void> {
    const told = await this.matrix.wellKnown().catch(() => ({}) as Json)
    const sites = told['bongsu.sites']
    if (!Array.isArray(sites)) return
    const urls = sites.filter((url): url is string => typeof url === 'string').map((url) => url.replace(/\/+$/, ''))
    this.matrix.sites.learn(urls)
    await this.database.put('facts', urls, 'sites')
  }

  private async learnProfile(): Promise<void> {
    const told = await this.matrix.profile(this.me).catch(() => null)
    if (!told) return
    await this.keepProfile({ ...(told.displayname && { name: told.displayname }), ...(told.avatar_url && { avatar: told.avatar_url }) })
  }

  private async keepProfile(profile: Profile): Promise<void> {
    this.profile = profile
    await this.database.put('facts', profile, 'profile')
    this.emit('profile')
  }

  private async setDirect(direct: Record<string, string[]>): Promise<void> {
    await this.matrix.setAccountData(this.me, 'm.direct', direct)
    this.changed({ rooms: [], entries: [], account: { ...this.account, direct } })
  }

  private async patch(id: string, edit: (room: Room) => Room): Promise<void> {
    const transaction = this.database.transaction('rooms', 'readwrite')
    const before = await transaction.store.get(id)
    const room = before && edit(before)
    if (room) await transaction.store.put(room)
    await transaction.done
    if (room) this.changed({ rooms: [room], entries: [] })
  }

  private changed(change: Change): void {
    this.tabs.tell({ kind: 'changed', ...change })
    this.apply(change)
  }

  private apply(change: Change): void {
    for (const room of change.rooms) this.memory.rooms.set(room.id, room)
    if (change.account) this.memory.account = change.account
    for (const run of this.watchers) run(change.entries)
    for (const window of this.windows) {
      if (change.rooms.some((room) => room.id === window.id && room.membership !== 'join')) window.clear()
      window.apply(change.entries)
    }
    const touched = change.account ? this.memory.rooms.keys() : change.rooms.map((room) => room.id)
    for (const id of touched) this.emit(`room ${id}`)
    this.emit('rooms')
    this.encryption.noticed(change)
  }

  private setTypists(room: string, users: string[], tells: boolean): void {
    this.typists.set(room, users)
    if (tells) this.tabs.tell({ kind: 'typing', room, users })
    this.emit(`typing ${room}`)
  }

  private setShare(txn: string, share: number, tells: boolean): void {
    this.shares.set(txn, share)
    if (tells) this.tabs.tell({ kind: 'progress', txn, share })
    this.emit(`upload ${txn}`)
  }

  private hear(told: Told): void {
    switch (told.kind) {
      case 'changed':
        return this.apply(told)
      case 'outbox':
        this.emit(`outbox ${told.room}`)
        return void this.sender?.flush(told.room)
      case 'intents':
        this.emit('intents')
        return this.intents.flush()
      case 'progress':
        return this.setShare(told.txn, told.share, false)
      case 'typing':
        return this.setTypists(told.room, told.users, false)
      case 'health':
        return this.setHealth(told.health, false)
      case 'flows':
        return this.encryption.setFlows(told.flows, false)
      case 'answer':
        return this.encryption.answered(told)
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
        return this.hurry()
      case 'health':
        this.tabs.tell({ kind: 'flows', flows: this.encryption.flows })
        return this.tabs.tell({ kind: 'health', health: this.health })
      case 'look':
        return this.encryption.lookAt(asked.room)
      case 'desk':
        return void this.encryption.serve(asked)
    }
  }

  /** The server ended the session. What was not sent waits for its author, who may sign in again. */
  private async expel(): Promise<void> {
    if (this.isLeaving) return
    this.isLeaving = true
    this.engine?.stop()
    this.sender?.stop()
    this.intents.stop()
    try {
      await this.media.clear() // first: what is left behind needs room
      const mine = await this.belongings()
      if (!isNothing(mine)) await left.keep(this.me, mine)
    } catch (error) {
      this.isLeaving = false // nothing is deleted that is not kept elsewhere
      this.onRefused(codeOf(error))
      return void setTimeout(() => void this.expel(), EXPEL_AGAIN_MS)
    }
    await this.forget()
  }

  private async forget(): Promise<void> {
    this.engine?.stop()
    this.sender?.stop()
    this.intents.stop()
    await this.push.end().catch(() => {})
    await this.media.clear()
    this.tabs.tell({ kind: 'gone' })
    this.tabs.close()
    addEventListener('unhandledrejection', (event) => event.preventDefault()) // whatever still reads finds the database closed, and this page ends
    this.database.close()
    await deleteDatabase()
    await this.encryption.forget()
    localStorage.clear()
    location.assign('/app/')
  }
}

/** What makes a new room encrypted. */
const secrecy = (is: boolean): Json => (is ? { initial_state: [{ type: ENCRYPTION, state_key: '', content: MEGOLM }] } : {})

const worded = ({ body, html }: Spoken): Json => ({ msgtype: 'm.text', body, ...(html && { format: 'org.matrix.custom.html', formatted_body: html }) })

function related({ replyTo, thread }: Place): Json {
  if (thread) return { 'm.relates_to': threadRelation(thread.root, thread.last, replyTo?.id) }
  return replyTo?.id ? { 'm.relates_to': { 'm.in_reply_to': { event_id: replyTo.id } } } : {}
}

const isUploading = (item: Item): boolean => item.state === 'sending' && item.attachment !== undefined && !item.attachment.uploaded

const oldest = (items: readonly Item[]): number | null => (items.length > 0 ? Math.min(...items.map((item) => item.at)) : null)

/** https://matrix.to/#/…, https://this.server/app/join/… or what was typed. */
export function roomAddress(typed: string): string {
  const address = typed.trim()
  const inLink = /^https?:\/\/[^#]*(?:\/app\/join\/|#\/)([^?/]+)/.exec(address)?.[1]
  return inLink ? decodeURIComponent(inLink) : address
}

/** A failure in the form that texts are chosen by. */
export const codeOf = (error: unknown): string => {
  if (typeof error === 'string') return error
  return error instanceof Refused ? error.code : error instanceof Error ? error.name : ''
}
