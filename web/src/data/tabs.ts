import type { Flow } from './crypto/types'
import type { Health } from './health'
import type { Entry, Room, Account } from './types'

/** What one tab tells the others. They read the outbox and intents themselves: those are on disk before it is told. */
export type Told =
  | { kind: 'changed'; rooms: Room[]; entries: Entry[]; account?: Account }
  | { kind: 'outbox'; room: string }
  | { kind: 'intents' }
  | { kind: 'progress'; txn: string; share: number }
  | { kind: 'typing'; room: string; users: string[] }
  | { kind: 'health'; health: Health }
  | { kind: 'flows'; flows: Flow[] }
  | { kind: 'answer'; id: string; value?: unknown; error?: { status: number; code: string } }
  | { kind: 'draft'; place: string; text: string }
  | { kind: 'came' } // somebody signed in
  | { kind: 'leaving'; is: boolean } // somebody signs out; or could not
  | { kind: 'gone' }

/** What one tab asks of those that lead. health: a tab that was opened later knows nothing of it. */
export type Asked =
  | { kind: 'cancel'; txn: string }
  | { kind: 'hurry'; isElsewhere: boolean }
  | { kind: 'health' }
  | { kind: 'look'; room: string }
  | { kind: 'desk'; id: string; name: string; args: readonly unknown[] }

type Posted = { told: Told } | { asked: Asked } | { beat: 'asked' | 'here' }

const NAME = 'bongsu'
const BEAT_MS = 1_500
const UNHEARD_MAX = 4 // a busy tab answers late; one that the system has put to sleep does not

/**
 * All tabs of this browser: one leads (it syncs and sends), the others follow what it tells.
 * A phone puts tabs to sleep that nobody looks at, and they keep their lock. A tab that is looked at and hears nothing
 * from the one that leads takes the lock away. What the sleeper still does when it wakes harms nothing: a reply to a sync
 * is written by whoever was first, what goes out has a transaction id, and keys are touched by the holder alone.
 */
export class Tabs {
  private readonly channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(NAME)
  private readonly own = `${NAME} ${Math.random()}` // a lock that shows which holder this tab is
  private readonly end = new AbortController()
  private turn = new AbortController()
  private release: () => void = () => {}
  private beats: ReturnType<typeof setInterval> | undefined
  private unheard = 0
  isLeader = false

  constructor(
    private readonly heard: (told: Told) => void,
    private readonly asked: (asked: Asked) => void,
  ) {
    if (this.channel) this.channel.onmessage = (event: MessageEvent<Posted>) => this.hear(event.data)
  }

  tell(told: Told): void {
    this.post({ told })
  }

  /** Only a tab that leads does it, and no tab passes it on. */
  ask(asked: Asked): void {
    if (this.isLeader) this.asked(asked)
    this.post({ asked })
  }

  private post(posted: Posted): void {
    this.channel?.postMessage(posted)
  }

  private hear(posted: Posted): void {
    if ('beat' in posted) this.hearBeat(posted.beat)
    else if ('told' in posted) this.heard(posted.told)
    else if (this.isLeader) this.asked(posted.asked)
  }

  /**
   * Waits for its turn to lead; it leads until the tab closes, or another one takes the lead: then lost() is called.
   * Without https there are no locks, and every tab leads.
   */
  lead(start: () => void, lost: () => void = () => {}): void {
    if (!('locks' in navigator)) {
      this.isLeader = true
      return start()
    }
    const ended = new Promise<void>((resolve) => this.end.signal.addEventListener('abort', () => resolve()))
    const own = { signal: this.end.signal }
    void navigator.locks.request(this.own, own, () => (this.take({ signal: this.turn.signal }, start, lost), ended)).catch(() => {})
    this.beats = setInterval(() => this.listen(() => this.takeOver(start, lost)), BEAT_MS)
  }

  /** Does this tab hold the lead at this moment? One that has just been woken up may not know yet that it lost it. */
  async leads(): Promise<boolean> {
    if (!this.isLeader || !('locks' in navigator)) return this.isLeader
    const { held = [] } = await navigator.locks.query()
    const [leader, own] = [NAME, this.own].map((name) => held.find((lock) => lock.name === name)?.clientId)
    return leader !== undefined && leader === own
  }

  /** Of its own will: this page goes to sleep. Returns whether it led. */
  yield(): boolean {
    const led = this.isLeader
    if (led && 'locks' in navigator) this.release()
    return led
  }

  close(): void {
    clearInterval(this.beats)
    this.end.abort()
    this.turn.abort()
    this.release()
    this.channel?.close()
  }

  private take(options: LockOptions, start: () => void, lost: () => void): void {
    const held = new Promise<void>((resolve) => (this.release = resolve))
    let has = false
    const begin = () => {
      this.isLeader = has = true
      this.post({ beat: 'here' })
      start()
      return held
    }
    void navigator.locks.request(NAME, options, begin).catch(() => {
      if (!has || this.end.signal.aborted) return
      this.isLeader = false
      lost()
    })
  }

  /** One beat of a tab that follows. Nobody is asked by one that is not looked at: its own clock may stand still. */
  private listen(takeOver: () => void): void {
    const isIdle = this.isLeader || document.visibilityState !== 'visible'
    if (isIdle) this.unheard = 0
    else if (this.unheard++ < UNHEARD_MAX) this.post({ beat: 'asked' })
    else takeOver()
  }

  private hearBeat(beat: 'asked' | 'here'): void {
    if (beat === 'here') this.unheard = 0
    else if (this.isLeader) this.post({ beat: 'here' })
  }

  private takeOver(start: () => void, lost: () => void): void {
    this.unheard = 0
    this.turn.abort() // the place in the queue
    this.take({ steal: true }, start, lost)
  }
}
