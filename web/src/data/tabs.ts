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

type Posted = { told: Told } | { asked: Asked }

const NAME = 'bongsu'

/** All tabs of this browser: one leads (it syncs and sends), the others follow what it tells. */
export class Tabs {
  private readonly channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(NAME)
  private readonly end = new AbortController()
  private release: () => void = () => {}
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
    if ('told' in posted) this.heard(posted.told)
    else if (this.isLeader) this.asked(posted.asked)
  }

  /** Waits for its turn to lead; it leads until the tab closes. Without https there are no locks, and every tab leads. */
  lead(start: () => void): void {
    const begin = () => {
      this.isLeader = true
      start()
    }
    if (!('locks' in navigator)) return begin()
    const held = new Promise<void>((resolve) => (this.release = resolve))
    const options = { signal: this.end.signal }
    void navigator.locks
      .request(NAME, options, () => {
        begin()
        return held
      })
      .catch(() => {})
  }

  close(): void {
    this.end.abort()
    this.release()
    this.channel?.close()
  }
}
