import type { Sites } from '../net/sites'
import { healthOf, type Facts, type Health } from './health'
import type { Known } from './known'
import type { Outbox } from './outbox'
import type { Fault } from './sync'
import type { Item } from './types'

const TICK_MS = 1_000
const PARKED_MS = 30_000 // a sync is answered sooner, with news or without

/** What the banner says: found out by the tab that leads, told to the others by `tell`. */
export class Weather {
  health: Health = { kind: 'normal' }
  private readonly facts = { heardAt: Date.now(), isCut: false, isFull: false }
  private timer: ReturnType<typeof setInterval> | undefined

  constructor(
    private readonly known: Pick<Known, 'emit'>,
    private readonly outbox: Outbox,
    private readonly sites: Sites,
    private readonly tell: (health: Health) => void,
  ) {}

  /** Is what was asked last asked of nobody? After a sleep the connection is dead, and nothing says so. */
  get isDoubtful(): boolean {
    return this.facts.isCut || Date.now() - this.facts.heardAt > PARKED_MS
  }

  watch(): void {
    this.timer ??= setInterval(() => void this.look(), TICK_MS)
  }

  stop(): void {
    clearInterval(this.timer)
  }

  failed(fault: Fault): void {
    if (fault === 'cut') this.facts.isCut = true
    if (fault === 'full') this.facts.isFull = true
  }

  /** A site answered. Returns whether none had before. */
  heard(): boolean {
    const wasCut = this.facts.isCut
    Object.assign(this.facts, { heardAt: Date.now(), isCut: false, isFull: false })
    void this.look()
    return wasCut
  }

  set(health: Health, tells: boolean): void {
    if (JSON.stringify(health) === JSON.stringify(this.health)) return
    this.health = health
    if (tells) this.tell(health)
    this.known.emit('health')
  }

  /** Nothing is found out from a database that is just closing. */
  private async look(): Promise<void> {
    const items = await this.outbox.all().catch(() => null)
    if (!items) return
    const open = items.filter((item) => item.state === 'queued' || item.state === 'sending')
    const facts: Facts = {
      ...this.facts,
      isElsewhere: this.sites.isElsewhere,
      waiting: open.length,
      waitingSince: oldest(open.filter((item) => !isUploading(item))),
      cannotWrite: open.some((item) => item.cannot === true),
    }
    this.set(healthOf(facts, Date.now()), true)
    void this.sites.tryHome()
  }
}

const isUploading = (item: Item): boolean => item.state === 'sending' && item.attachment !== undefined && !item.attachment.uploaded

const oldest = (items: readonly Item[]): number | null => (items.length > 0 ? Math.min(...items.map((item) => item.at)) : null)
