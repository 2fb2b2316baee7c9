import type { Opened, RawEvent } from '../../net/matrix'

/** What goes between the tab that keeps the keys, the other tabs and the screens: plain data. */

/** asking: here it was asked for; asked: somebody asks; ready: both agreed; compare: emoji are shown; scanned: the other side says that it has read the code; confirmed: here it is right. */
export type Stage = 'asking' | 'asked' | 'ready' | 'compare' | 'scanned' | 'confirmed' | 'done' | 'cancelled'

/** A QR code: how many points a side has, and of each, row by row, whether it is dark ("1"). */
export interface Code {
  side: number
  dark: string
}

/** Two sessions that verify each other. */
export interface Flow {
  id: string
  user: string
  device?: string
  /** both belong to the person who is signed in here */
  isOwn: boolean
  stage: Stage
  /** to be scanned by the other side */
  code?: Code
  /** places in the protocol's list of 64 */
  emoji?: { symbol: string; place: number }[]
  /** the protocol's code for why it ended */
  why?: string
}

/** How an account stands. */
export interface Standing {
  /** none: nothing was set up; here: this session has the account's secrets; elsewhere: others have, and this one is not verified */
  identity: 'none' | 'here' | 'elsewhere'
  hasRecovery: boolean
  /** locked: there is one, and its key is not here */
  backup: 'off' | 'on' | 'locked'
  keys: number
  backedUp: number
}

/** verified: compared in person, or vouched for by somebody who was; signed: its owner vouches for it; unsigned: nobody does. */
export interface KnownSession {
  device: string
  name: string
  trust: 'verified' | 'signed' | 'unsigned'
  isThis: boolean
}

/** changed: was verified, and is somebody else's key now; renewed: another key than at first; keyless: has no sessions with keys. */
export interface KnownPerson {
  user: string
  trust: 'verified' | 'changed' | 'renewed' | 'known' | 'sessions' | 'keyless'
  sessions: KnownSession[]
}

export interface Restored {
  imported: number
  total: number
}

/** What the screens may ask of the tab that keeps the keys. */
export interface Desk {
  /** What encrypted events say that are not kept: a look into the past. */
  read(room: string, events: readonly RawEvent[]): Promise<Opened[]>
  standing(): Promise<Standing>
  /** The recovery key, to be shown once. anew: whatever was set up before is given up. */
  setUp(password: string, anew: boolean): Promise<string>
  newRecovery(): Promise<string>
  recover(recoveryKey: string): Promise<Restored>
  sessions(user: string): Promise<KnownSession[]>
  people(room: string): Promise<KnownPerson[]>
  /** Somebody's key is another one now, and that is fine. */
  accept(user: string): Promise<void>
  verifyOwn(device?: string): Promise<void>
  verifyPerson(user: string, room: string): Promise<void>
  verifySession(user: string, device: string): Promise<void>
  agree(flow: string): Promise<void>
  compare(flow: string): Promise<void>
  confirm(flow: string): Promise<void>
  scanned(flow: string): Promise<void>
  mismatch(flow: string): Promise<void>
  cancel(flow: string): Promise<void>
  dismiss(flow: string): Promise<void>
}
