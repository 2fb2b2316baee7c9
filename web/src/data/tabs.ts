import type { Health } from './health'
import type { Entry, Room, Account } from './types'

/** What one tab tells the others. They read the outbox themselves: it is on disk before it is told. */
export type Told =
  | { kind: 'changed'; rooms: Room[]; entries: Entry[]; account?: Account }
  | { kind: 'outbox'; room: string }
  | { kind: 'progress'; txn: string; share: number }
  | { kind: 'cancel'; txn: string }
  | { kind: 'typing'; room: string; users: string[] }
  | { kind: 'health'; health: Health }
  | { kind: 'hurry' }
  | { kind: 'gone' }

const NAME = 'bongsu'

/** All tabs of this browser: one leads (it syncs and sends), the others follow what it tells. */
export class Tabs {
  private readonly channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(NAME)
  private readonly end = new AbortController()
  private release: () => void = () => {}

  constructor(private readonly heard: (told: Told) => void) {
    if (this.channel) this.channel.onmessage = (event: MessageEvent<Told>) => this.heard(event.data)
  }

  tell(told: Told): void {
    this.channel?.postMessage(told)
  }

  /** Waits for its turn to lead; it leads until the tab closes. Without https there are no locks, and every tab leads. */
  lead(start: () => void): void {
    if (!('locks' in navigator)) return start()
    const held = new Promise<void>((resolve) => (this.release = resolve))
    const options = { signal: this.end.signal }
    void navigator.locks
      .request(NAME, options, () => {
        start()
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
