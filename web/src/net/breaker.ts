/** When a site may be asked again after it failed: later each time, and not for everybody at the same moment. */
export interface Breaker {
  fails: number
  openUntil: number
}

export const CLOSED: Breaker = { fails: 0, openUntil: 0 }
const FIRST_MS = 1_000
const LONGEST_MS = 30_000

/** random: in [0, 1). The pause doubles with each failure in a row and is spread over half to one and a half. */
export function failed(breaker: Breaker, now: number, random: number): Breaker {
  const pause = Math.min(LONGEST_MS, FIRST_MS * 2 ** breaker.fails)
  return { fails: breaker.fails + 1, openUntil: now + pause * (0.5 + random) }
}

export const isOpen = (breaker: Breaker, now: number): boolean => breaker.openUntil > now
