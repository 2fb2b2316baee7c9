import { CLOSED, failed, isOpen, type Breaker } from './breaker'
import { deferred } from './deferred'
import { Unreachable, Unsure } from './errors'

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
const SILENCE_MS = 12_000 // so long a site may say nothing before it counts as gone
const HEDGE_MS = 1_500 // silence after which a second site is asked, too
const READY = '/health/ready'
const READY_MS = 4_000
const GONE = new Set([502, 504]) // the proxy stands, the centre behind it does not
const BODILESS = new Set([204, 205, 304])

export interface Asking {
  /** how long the answer may take to begin */
  timeoutMs?: number
  /**
   * May the same request be made again? beside: at two sites at once; only reads, and writes that carry a transaction id.
   * after: at the next site when one fails, for what has the same effect twice. never: at one site that is there, once.
   */
  again?: 'beside' | 'after' | 'never'
}

/**
 * Every request goes through here. The current site first; on refusal the next one at once; on silence a second one
 * beside it. Whoever answers first, to the last byte, becomes the current site.
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

  /** The answer and all of its body: reading it cannot fail any more. */
  async ask(path: string, init: RequestInit = {}, asking: Asking = {}): Promise<Response> {
    if (asking.again !== 'never') return new Round(this.order(), path, init, asking, this.world, this).run()
    const ready = await new Round(this.order(), READY, {}, { again: 'beside' }, this.world, this).run()
    if (!ready.ok) throw new Unreachable('no site is ready')
    return new Round(this.order().slice(0, 1), path, init, asking, this.world, this).run()
  }

  /** Closed breakers first, among them the current one first. All are open: the one that opens soonest is tried. */
  order(): Site[] {
    const now = this.world.now()
    const rank = (site: Site) => (isOpen(site.breaker, now) ? site.breaker.openUntil : site === this.sites[this.current] ? -1 : 0)
    return [...this.sites].sort((left, right) => rank(left) - rank(right))
  }

  /** Away from the first site, asks now and then whether it is there again, and can write; it is the nearest one. */
  async tryHome(): Promise<void> {
    const home = this.sites[0]
    if (!home || this.current === 0 || this.isTrying || isOpen(home.breaker, this.world.now())) return
    this.isTrying = true
    try {
      const reply = await this.world.fetch(home.url + READY, { signal: AbortSignal.timeout(READY_MS) })
      const { writes } = (await reply.json()) as { writes?: boolean }
      if (reply.ok && writes !== false) this.succeeded(home)
      else this.failed(home)
    } catch {
      this.failed(home)
    } finally {
      this.isTrying = false
    }
  }

  /** Asks every site by itself. Statuses by site; 0 where none came. */
  async each(path: string, init: RequestInit): Promise<Map<Site, number>> {
    const asked = this.sites.map(async (site) => {
      const reply = await this.world.fetch(site.url + path, { ...init, signal: AbortSignal.timeout(READY_MS) }).catch(() => null)
      return [site, reply?.status ?? 0] as const
    })
    return new Map(await Promise.all(asked))
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
    this.watch()
    void this.askOne(site)
  }

  private watch(): void {
    clearTimeout(this.timer)
    if (this.asking.again === 'beside') this.timer = setTimeout(() => this.askNext(), HEDGE_MS)
  }

  private giveUp(): void {
    const isOnce = this.asking.again === 'never'
    if (this.busy && !isOnce) this.done.resolve(this.busy)
    else this.done.reject(isOnce ? new Unsure('no answer came') : new Unreachable('no site answers'))
  }

  private async askOne(site: Site): Promise<void> {
    const own = new AbortController()
    const end = () => own.abort()
    let limit = setTimeout(end, this.asking.timeoutMs ?? SILENCE_MS)
    const moved = () => {
      clearTimeout(limit)
      limit = setTimeout(end, SILENCE_MS)
      this.watch()
    }
    this.stop.signal.addEventListener('abort', end)
    try {
      const reply = await this.world.fetch(site.url + this.path, { ...this.init, signal: own.signal })
      await this.take(site, await whole(reply, moved))
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

  private async take(site: Site, reply: Response): Promise<void> {
    if (GONE.has(reply.status) && isGone(reply.status, await reply.clone().text())) throw new Unreachable(`${site.url} is not there`)
    if (reply.status === 503) {
      this.busy ??= reply
      this.waiting--
      return this.askNext()
    }
    this.done.resolve(reply) // before anybody hears of the site, and gives up what is parked elsewhere
    this.sites.succeeded(site)
  }
}

/** An answer with all of its body. moved: bytes came. */
async function whole(reply: Response, moved: () => void): Promise<Response> {
  const parts: BlobPart[] = []
  const reader = reply.body?.getReader()
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    moved()
    parts.push(part.value)
  }
  const { status, headers } = reply
  return new Response(BODILESS.has(status) ? null : new Blob(parts), { status, headers })
}

/** Did a proxy answer for a centre that is not there? The server itself names an error. */
export function isGone(status: number, body: string): boolean {
  return GONE.has(status) && !/"errcode"\s*:/.test(body)
}
