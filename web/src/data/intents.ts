import { Refused } from '../net/errors'
import type { Json, Matrix } from '../net/matrix'
import type { Database } from './database'
import { newTransaction, outcomeOf, pauseOf } from './outbox'

/** Something that somebody wants a service to do. The key is made once, so it happens once, however often it is sent. */
export interface Intent extends IntentDraft {
  key: string
  seq: number
  at: number
  tries: number
  notBefore: number
  state: 'queued' | 'sending' | 'done' | 'failed'
  /** what the server said when it was done */
  answer?: Json
  error?: Failure
  /** the last answer was that nothing can be written now */
  cannot?: boolean
}

export interface IntentDraft {
  /** what must happen one after the other */
  lane: string
  /** the operation, by its name in net/interface.ts */
  what: string
  method: string
  path: string
  body?: Json
}

export interface Failure {
  code: string
  message: string
  fields: Json
}

/** A server keeps the answer of a key for a day; what is older might happen twice, and nobody expects it any more. */
export const STALE_MS = 20 * 3_600_000
export const STALE = 'BONGSU_STALE'
const DONE_MS = 10 * 60_000
const BROKEN_MS = 5_000

export const isOpen = (intent: Intent): boolean => intent.state === 'queued' || intent.state === 'sending'

/** May the server have done it already? */
export const mayBeDone = (intent: Intent): boolean => isOpen(intent) && intent.tries > 0

const failure = (error: unknown): Failure =>
  error instanceof Refused ? { code: error.code, message: error.message, fields: error.fields } : { code: 'other', message: '', fields: {} }

/** The intent after a try that was not answered with what was wanted. random: in [0, 1). */
export function afterError(intent: Intent, error: unknown, now: number, random: number): Intent {
  const outcome = outcomeOf(error)
  if (outcome.kind === 'refused') return { ...intent, state: 'failed', error: failure(error) }
  const told = outcome.kind === 'later' ? outcome.ms : 0
  const cannot = outcome.kind === 'later' && outcome.cannot
  return { ...intent, state: 'queued', cannot, notBefore: now + Math.max(told, pauseOf(intent.tries, random)) }
}

/** The first of each lane that is to be sent now, and when the next one's time comes. */
export function ready(intents: readonly Intent[], now: number): { now: Intent[]; next: number } {
  const first = new Map<string, Intent>()
  for (const intent of intents.toSorted((left, right) => left.seq - right.seq)) {
    if (isOpen(intent) && !first.has(intent.lane)) first.set(intent.lane, intent)
  }
  const heads = [...first.values()]
  return { now: heads.filter((intent) => intent.notBefore <= now), next: Math.min(...heads.map((intent) => intent.notBefore).filter((at) => at > now)) }
}

/** Intents on disk, and in the tab that leads their way to a server. */
export class Intents {
  private readonly busy = new Set<string>()
  private isOn = false
  private lastSeq = 0
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly database: Database,
    private readonly matrix: Pick<Matrix, 'intend'>,
    private readonly onChange: () => void,
  ) {}

  /** In the order in which they were wanted. lane: those that stand in it, or in one that begins so. */
  async of(lane: string): Promise<Intent[]> {
    const all = await this.database.getAll('intents')
    return all.filter((intent) => intent.lane.startsWith(lane)).toSorted((left, right) => left.seq - right.seq)
  }

  async put(draft: IntentDraft): Promise<string> {
    const at = Date.now()
    this.lastSeq = Math.max(at, this.lastSeq + 1)
    const intent: Intent = { ...draft, key: newTransaction(), seq: this.lastSeq, at, tries: 0, notBefore: 0, state: 'queued' }
    await this.database.put('intents', intent)
    this.changed()
    return intent.key
  }

  /** Takes one away: its end was seen, or nobody wants it any more. */
  async remove(key: string): Promise<void> {
    await this.database.delete('intents', key)
    this.changed()
  }

  /** Tries again what was refused; the key stays, for a refusal is not remembered. */
  async retry(key: string): Promise<void> {
    const intent = await this.database.get('intents', key)
    if (intent?.state !== 'failed') return
    const { error: _, ...rest } = intent
    await this.database.put('intents', { ...rest, at: Date.now(), tries: 0, state: 'queued', notBefore: 0 })
    this.changed()
  }

  async start(): Promise<void> {
    this.isOn = true
    for (const intent of await this.database.getAll('intents')) {
      if (intent.state === 'done' && intent.at < Date.now() - DONE_MS) await this.database.delete('intents', intent.key)
    }
    this.flush()
  }

  stop(): void {
    this.isOn = false
    clearTimeout(this.timer)
  }

  flush(): void {
    if (this.isOn) void this.send(0).catch(() => this.later(BROKEN_MS))
  }

  /** Those who wait for their time are asked now. */
  wake(): void {
    if (this.isOn) void this.send(Infinity).catch(() => this.later(BROKEN_MS))
  }

  private async send(early: number): Promise<void> {
    const { now, next } = ready(await this.database.getAll('intents'), Date.now() + early)
    for (const intent of now) void this.run(intent).catch(() => this.later(BROKEN_MS))
    if (Number.isFinite(next)) this.later(next - Date.now())
  }

  private later(ms: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.flush(), Math.max(50, ms))
  }

  private async run(intent: Intent): Promise<void> {
    if (this.busy.has(intent.lane)) return
    this.busy.add(intent.lane)
    try {
      const trying: Intent = { ...intent, state: 'sending', tries: intent.tries + 1 }
      if (await this.settle(trying)) await this.settle(await this.attempt(trying))
    } finally {
      this.busy.delete(intent.lane)
    }
    this.flush()
  }

  private async attempt(intent: Intent): Promise<Intent> {
    if (intent.at < Date.now() - STALE_MS) return { ...intent, state: 'failed', error: { code: STALE, message: '', fields: {} } }
    try {
      return { ...intent, state: 'done', answer: await this.matrix.intend<Json>(intent.method, intent.path, intent.body, intent.key) }
    } catch (error) {
      return afterError(intent, error, Date.now(), Math.random())
    }
  }

  /** Writes what came of a try, unless it was taken away meanwhile. */
  private async settle(intent: Intent): Promise<boolean> {
    const transaction = this.database.transaction('intents', 'readwrite')
    const is = (await transaction.store.get(intent.key)) !== undefined
    if (is) await transaction.store.put(intent)
    await transaction.done
    if (is) this.onChange()
    return is
  }

  private changed(): void {
    this.onChange()
    this.flush()
  }
}
