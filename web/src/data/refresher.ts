const QUICK_MS = 1_000 // news that come close together are one look
const FAILED_MS = 2_000
const LONGEST_MS = 30_000

/** The pause until the next look. random: in [0, 1); many people look at the same thing, and not at the same moment. */
export const pauseAfter = (pace: number, fails: number, random: number): number =>
  fails > 0 ? Math.min(LONGEST_MS, FAILED_MS * 2 ** Math.min(fails - 1, 10)) * (0.5 + random) : pace * (0.9 + 0.2 * random)

/**
 * Looks again and again: soon after it was told of news, else at its own pace, later while nobody answers. One look at a
 * time. pace: asked after each look, in ms.
 */
export class Refresher {
  /** when a look last succeeded; 0: never */
  okAt = 0
  error: unknown
  private fails = 0
  private isLooking = false
  private isPoked = false
  private isOn = true
  private begunAt = 0
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly look: () => Promise<void>,
    private readonly pace: () => number,
    private readonly onChange: () => void,
  ) {
    void this.turn()
  }

  /** There is news, or somebody came back. */
  poke(): void {
    if (this.isLooking) this.isPoked = true
    else this.plan(Math.max(0, this.begunAt + QUICK_MS - Date.now()))
  }

  stop(): void {
    this.isOn = false
    clearTimeout(this.timer)
  }

  private plan(ms: number): void {
    clearTimeout(this.timer)
    if (this.isOn) this.timer = setTimeout(() => void this.turn(), ms)
  }

  private async turn(): Promise<void> {
    this.isLooking = true
    this.isPoked = false
    this.begunAt = Date.now()
    try {
      await this.look()
      this.okAt = Date.now()
      this.error = undefined
      this.fails = 0
    } catch (error) {
      this.error = error
      this.fails++
    }
    this.isLooking = false
    if (!this.isOn) return
    this.onChange()
    this.plan(this.isPoked && this.fails === 0 ? QUICK_MS : pauseAfter(this.pace(), this.fails, Math.random()))
  }
}
