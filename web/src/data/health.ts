/** How things stand, in the words of the banner. */
export type Health =
  | { kind: 'normal' }
  | { kind: 'full' } // this browser has no room for what is new
  | { kind: 'elsewhere' } // another centre answers than the one this page came from
  | { kind: 'readonly'; waiting: number }
  | { kind: 'delayed'; since: number; waiting: number }
  | { kind: 'offline'; since: number; waiting: number }

export interface Facts {
  /** when a site last answered a sync */
  heardAt: number
  /** did the last try to reach any site fail? */
  isCut: boolean
  /** could what a site told not be kept? */
  isFull?: boolean
  isElsewhere: boolean
  /** the oldest thing that waits to be sent, and how many wait */
  waitingSince: number | null
  waiting: number
  /** a site answered that it cannot write now */
  cannotWrite: boolean
}

const DELAY_MS = 15_000

export function healthOf(facts: Facts, now: number): Health {
  const { waiting, waitingSince } = facts
  if (facts.isCut) return { kind: 'offline', since: facts.heardAt, waiting }
  if (facts.isFull) return { kind: 'full' }
  if (facts.cannotWrite && waiting > 0) return { kind: 'readonly', waiting }
  if (waitingSince !== null && now - waitingSince > DELAY_MS) return { kind: 'delayed', since: waitingSince, waiting }
  return facts.isElsewhere ? { kind: 'elsewhere' } : { kind: 'normal' }
}
