import type { Login, Matrix } from '../net/matrix'
import type { Database } from './database'
import { DRAFT, type Drafts } from './drafts'
import { codeOf } from './failures'
import type { Known } from './known'
import { isNothing, leaving, leavingIntent, left, type Belongings, type Waiting } from './left'
import type { Outbox } from './outbox'
import type { Told } from './tabs'
import type { Session } from './types'

const EXPEL_AGAIN_MS = 10_000
const FAREWELL_MS = 4_000 // so long a server may take to hear of it; whoever signs out does not wait for one that burns

/** What coming in and going out asks of the rest of the client. */
export interface Inside {
  /** to the other tabs of this browser */
  tell(told: Extract<Told, { kind: 'came' | 'leaving' }>): void
  /** the page begins anew */
  reload(): void
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
  private isAsking = false

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
    await this.going(async () => {
      await this.outbox.clear()
      await this.database.clear('intents')
      await this.drafts.clear()
      const late = new Promise((resolve) => setTimeout(resolve, FAREWELL_MS))
      await Promise.race([this.matrix.logout().catch(() => {}), late])
    })
    await this.inside.forget()
  }

  /** The account is no more; what this browser kept of it goes as well. */
  async deactivate(password: string, erase: boolean): Promise<void> {
    await this.going(() => this.matrix.deactivate(this.known.me, password, erase))
    await this.inside.forget()
  }

  /** Who goes is not expelled, in no tab: that would keep what they wrote for when they come again. */
  private async going(go: () => Promise<unknown>): Promise<void> {
    this.setLeaving(true)
    this.inside.tell({ kind: 'leaving', is: true })
    try {
      await go()
    } catch (error) {
      this.setLeaving(false)
      this.inside.tell({ kind: 'leaving', is: false })
      throw error
    }
  }

  /** Somebody goes, here or in another tab; or stays after all. */
  setLeaving(is: boolean): void {
    this.isLeaving = is
  }

  /** Another tab signed somebody in. */
  came(): void {
    if (!this.known.session) this.inside.reload()
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

  /**
   * What this person had left behind here: all of it or, where this disk has no room for both, none, and the next start
   * tries again. Nothing is sent before it is dropped there, so nothing is sent twice.
   */
  async takeUp(): Promise<void> {
    const mine = await left.of(this.known.me).catch(() => null)
    if (!mine || isNothing(mine)) return
    try {
      await this.putAll(mine)
      await left.drop(this.known.me)
    } catch {
      return // it is where it was
    }
  }

  private async putAll({ items, intents, drafts }: Belongings): Promise<void> {
    const transaction = this.database.transaction(['outbox', 'intents', 'facts'], 'readwrite')
    const puts = [
      ...items.map((item) => transaction.objectStore('outbox').put(item)),
      ...intents.map((intent) => transaction.objectStore('intents').put(intent)),
      ...[...drafts].map(([room, text]) => transaction.objectStore('facts').put(text, `${DRAFT}${room}`)),
    ]
    await Promise.all([...puts, transaction.done])
  }

  /** The server ended the session. What was not sent waits for its author, who may sign in again. */
  async expel(): Promise<void> {
    if (this.isLeaving || this.isAsking || !(await this.isOver())) return
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

  /** What one site says is not enough to delete everything: it may be cut off, and know nothing of a new session. */
  private async isOver(): Promise<boolean> {
    this.isAsking = true
    try {
      return (await this.matrix.isOver()) && !this.isLeaving
    } finally {
      this.isAsking = false
    }
  }

  /** One browser keeps one account: where another tab was faster, this session ends, and the page shows whose it is. */
  /** Somebody has proven who they are. */
  async begin(login: Login): Promise<void> {
    const session: Session = { user: login.user_id, device: login.device_id, token: login.access_token }
    if (!(await this.claim(session))) return this.giveUp(session)
    this.inside.tell({ kind: 'came' })
    void navigator.storage?.persist().catch(() => {}) // what is not sent yet should outlive a full disk
    await this.inside.begin()
    this.known.emit('session')
  }

  /** False: somebody is signed in here. */
  private async claim(session: Session): Promise<boolean> {
    const transaction = this.database.transaction('facts', 'readwrite')
    const isFree = (await transaction.store.getKey('session')) === undefined
    if (isFree) await transaction.store.put(session, 'session')
    await transaction.done
    return isFree
  }

  private async giveUp({ token }: Session): Promise<void> {
    this.matrix.token = token
    await this.matrix.logout().catch(() => {})
    this.matrix.token = null
    this.inside.reload()
  }

  /** What was written or wanted here, and is not answered. */
  private async belongings(): Promise<Belongings> {
    const items = (await this.outbox.all()).flatMap((item) => leaving(item, this.known.session!.device) ?? [])
    const intents = (await this.database.getAll('intents')).flatMap((intent) => leavingIntent(intent) ?? [])
    return { items, intents, drafts: await this.drafts.kept() }
  }
}
