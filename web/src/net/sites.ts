import { CLOSED, failed, isOpen, type Breaker } from './breaker'
import { deferred } from './deferred'
import { Unreachable } from './errors'

/** One centre: the base URL under which the API answers there. */
export interface Site {
  url: string
  breaker: Breaker
}

/** The world outside, so that tests can be it. */
export interface World {
  fetch(url: string, init: RequestInit): Promise<Response>
  now(): number
  random(): number
}

const REAL: World = { fetch: (url, init) => fetch(url, init), now: () => Date.now(), random: () => Math.random() }
const TIMEOUT_MS = 12_000
const HEDGE_MS = 1_500 // silence after which a second site is asked, too
const HOME = '/health/ready'
const HOME_MS = 4_000
const GONE = new Set([502, 504]) // the proxy stands, the centre behind it does not

export interface Asking {
  timeoutMs?: number
  /** May the same request be at two sites at once? Only for reads and for writes that carry a transaction id. */
  hedged?: boolean
}

/**
 * Every request goes through here. The current site first; on refusal the next one at once; on silence a second one
 * beside it. Whoever answers first becomes the current site.
 */
export class Sites {
  sites: Site[]
  current = 0
  private isTrying = false
  onChange: () => void = () => {}

  constructor(
    urls: readonly string[],
    private readonly world: World = REAL,
  ) {
    this.sites = urls.map((url) => ({ url, breaker: CLOSED }))
  }

  get url(): string {
    return this.sites[this.current]?.url ?? ''
  }

  /** Is the current site another than the one that the page came from? */
  get isElsewhere(): boolean {
    return this.current !== 0
  }

  /** Sites that became known; the first stays the first. */
  learn(urls: readonly string[]): void {
    for (const url of urls) {
      if (!this.sites.some((site) => site.url === url)) this.sites.push({ url, breaker: CLOSED })
    }
  }

  ask(path: string, init: RequestInit = {}, asking: Asking = {}): Promise<Response> {
    return new Round(this.order(), path, init, asking, this.world, this).run()
  }

  /** Closed breakers first, among them the current one first. All are open: the one that opens soonest is tried. */
  order(): Site[] {
    const now = this.world.now()
    const rank = (site: Site) => (isOpen(site.breaker, now) ? site.breaker.openUntil : site === this.sites[this.current] ? -1 : 0)
    return [...this.sites].sort((left, right) => rank(left) - rank(right))
  }

  /** Away from the first site, asks now and then whether it is there again; it is the nearest one. */
  async tryHome(): Promise<void> {
    const home = this.sites[0]
    if (!home || this.current === 0 || this.isTrying || isOpen(home.breaker, this.world.now())) return
    this.isTrying = true
    try {
      const reply = await this.world.fetch(home.url + HOME, { signal: AbortSignal.timeout(HOME_MS) })
      if (reply.ok) this.succeeded(home)
      else this.failed(home)
    } catch {
      this.failed(home)
    } finally {
      this.isTrying = false
    }
  }

  succeeded(site: Site): void {
    const moved = this.sites[this.current] !== site
    site.breaker = CLOSED
    this.current = this.sites.indexOf(site)
    if (moved) this.onChange()
  }

  failed(site: Site): void {
    site.breaker = failed(site.breaker, this.world.now(), this.world.random())
  }
}

/** One request on its way: who was asked, who still may be. */
class Round {
  private readonly stop = new AbortController()
  private readonly done = deferred<Response>()
  private waiting = 0
  private next = 0
  private busy: Response | undefined // a site that is there and cannot now; its answer stands if no other has one
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly order: Site[],
    private readonly path: string,
    private readonly init: RequestInit,
    private readonly asking: Asking,
    private readonly world: World,
    private readonly sites: Sites,
  ) {}

  async run(): Promise<Response> {
    const outer = this.init.signal
    const abort = () => {
      this.done.reject(outer?.reason)
    }
    if (outer?.aborted) throw outer.reason
    outer?.addEventListener('abort', abort)
    this.askNext()
    try {
      return await this.done.promise
    } finally {
      clearTimeout(this.timer)
      this.stop.abort() // whoever is still being asked; the one that answered no longer listens
      outer?.removeEventListener('abort', abort)
    }
  }

  private askNext(): void {
    clearTimeout(this.timer)
    const site = this.order[this.next++]
    if (site === undefined) {
      if (this.waiting === 0) this.giveUp()
      return
    }
    this.waiting++
    if (this.asking.hedged) this.timer = setTimeout(() => this.askNext(), HEDGE_MS)
    void this.askOne(site)
  }

  private giveUp(): void {
    if (this.busy) this.done.resolve(this.busy)
    else this.done.reject(new Unreachable('no site answers'))
  }

  private async askOne(site: Site): Promise<void> {
    const own = new AbortController()
    const limit = setTimeout(() => own.abort(), this.asking.timeoutMs ?? TIMEOUT_MS)
    const end = () => own.abort()
    this.stop.signal.addEventListener('abort', end)
    try {
      const reply = await this.world.fetch(site.url + this.path, { ...this.init, signal: own.signal })
      if (GONE.has(reply.status)) throw new Unreachable(`${site.url} is not there`)
      if (reply.status === 503 && this.sites.sites.length > 1) {
        this.busy ??= reply
        this.waiting--
        this.askNext()
        return
      }
      this.sites.succeeded(site)
      this.done.resolve(reply)
    } catch {
      this.waiting--
      if (this.stop.signal.aborted) return
      this.sites.failed(site)
      this.askNext()
    } finally {
      clearTimeout(limit)
      this.stop.signal.removeEventListener('abort', end)
    }
  }
}
