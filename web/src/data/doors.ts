import type { Login, Matrix } from '../net/matrix'
import type { Database } from './database'
import { DRAFT, type Drafts } from './drafts'
import { codeOf } from './failures'
import type { Known } from './known'
import { isNothing, leaving, leavingIntent, left, type Belongings, type Waiting } from './left'
import type { Outbox } from './outbox'
import type { Session } from './types'

const EXPEL_AGAIN_MS = 10_000

/** What coming in and going out asks of the rest of the client. */
export interface Inside {
  /** somebody is signed in now */
  begin(): Promise<void>
  /** nothing is sent or fetched any more */
  stop(): void
  /** photos and films, which take most of the room */
  clearMedia(): Promise<void>
  /** All that this browser keeps of the account goes, and the page begins anew. */
  forget(): Promise<void>
  refused(code: string): void
}

/** Coming in and going out: sessions, and what waits here for whoever was put out. */
export class Doors {
  private isLeaving = false

  constructor(
    private readonly known: Known,
    private readonly database: Database,
    private readonly matrix: Matrix,
    private readonly outbox: Outbox,
    private readonly drafts: Drafts,
    private readonly inside: Inside,
  ) {}

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
    await this.drafts.clear()
    await this.matrix.logout().catch(() => {})
    await this.inside.forget()
  }

  /** The account is no more; what this browser kept of it goes as well. */
  async deactivate(password: string, erase: boolean): Promise<void> {
    this.isLeaving = true // who goes is not expelled
    try {
      await this.matrix.deactivate(this.known.me, password, erase)
    } catch (error) {
      this.isLeaving = false
      throw error
    }
    await this.inside.forget()
  }

  /** How many messages and requests signing out would take away. */
  async unsent(): Promise<number> {
    const { items, intents } = await this.belongings()
    return items.length + intents.length
  }

  /** Whose unsent messages and requests wait here until they sign in again. */
  async leftBehind(): Promise<Waiting[]> {
    return left.people().catch(() => [])
  }

  dropLeftBehind(user: string): Promise<void> {
    return left.drop(user)
  }

  /** What this person had left behind here. Nothing is sent before it is dropped there, so nothing is sent twice. */
  async takeUp(): Promise<void> {
    const mine = await left.of(this.known.me).catch(() => null)
    if (!mine || isNothing(mine)) return
    for (const item of mine.items) await this.outbox.put(item)
    for (const intent of mine.intents) await this.database.put('intents', intent)
    for (const [room, text] of mine.drafts) await this.database.put('facts', text, `${DRAFT}${room}`)
    await left.drop(this.known.me)
  }

  /** The server ended the session. What was not sent waits for its author, who may sign in again. */
  async expel(): Promise<void> {
    if (this.isLeaving) return
    this.isLeaving = true
    this.inside.stop()
    try {
      await this.inside.clearMedia() // first: what is left behind needs room
      const mine = await this.belongings()
      if (!isNothing(mine)) await left.keep(this.known.me, mine)
    } catch (error) {
      this.isLeaving = false // nothing is deleted that is not kept elsewhere
      this.inside.refused(codeOf(error))
      return void setTimeout(() => void this.expel(), EXPEL_AGAIN_MS)
    }
    await this.inside.forget()
  }

  private async begin(login: Login): Promise<void> {
    const session: Session = { user: login.user_id, device: login.device_id, token: login.access_token }
    await this.database.put('facts', session, 'session')
    void navigator.storage?.persist().catch(() => {}) // what is not sent yet should outlive a full disk
    await this.inside.begin()
    this.known.emit('session')
  }

  /** What was written or wanted here, and is not answered. */
  private async belongings(): Promise<Belongings> {
    const items = (await this.outbox.all()).flatMap((item) => leaving(item, this.known.session!.device) ?? [])
    const intents = (await this.database.getAll('intents')).flatMap((intent) => leavingIntent(intent) ?? [])
    return { items, intents, drafts: this.drafts.all() }
  }
}
