import type { Doubt, Json, RawEvent, Why } from '../net/matrix'
import type { Content, Powers } from './content'
import type { SealedFile } from './crypto/files'

/** An event as it is kept. order: its place in the room, by which newer is greater. */
export interface Entry {
  id: string
  room: string
  order: number
  type: string
  sender: string
  content: Content
  ts: number
  stateKey?: string
  previous?: Content
  redacts?: string
  redacted?: boolean
  /** of our own: by which it was known before it arrived */
  txn?: string
  /** it came encrypted, and could be read */
  opened?: true
  doubt?: Doubt
  sealed?: Sealed
  /** the first message of the thread that it was said in; kept when it is redacted */
  thread?: string
  /** the thread that begins with it, as the server counted it */
  answers?: Answers
}

/** An encrypted event as it came: kept while it cannot be read, or while it is not sure who sent it. */
export interface Sealed {
  /** by whose key it is read */
  session: string
  event: RawEvent
  /** it was tried to read it */
  why?: Why
}

/** What was said in a thread, from outside. */
export interface Answers {
  count: number
  last: Preview
}

export interface Unread {
  unread: number
  highlights: number
}

export interface Member {
  name?: string
  avatar?: string
  membership: string
}

/** A stretch of history without holes. from: the token of what is older, or null where nothing is missing below. */
export interface Stretch {
  number: number
  from: string | null
  oldest: number
}

export interface Preview {
  id: string
  sender: string
  ts: number
  type: string
  content: Content
  redacted?: boolean
}

/** A room as it is kept; replaced, never changed in place. */
export interface Room {
  id: string
  membership: 'join' | 'invite' | 'leave'
  name?: string
  topic?: string
  avatar?: string
  alias?: string
  encrypted?: boolean
  joinRule?: string
  powers?: Powers
  inviter?: string
  /** an invitation to a room for two */
  isDirect?: boolean
  heroes: string[]
  joined: number
  invited: number
  members: Record<string, Member>
  receipts: Record<string, string>
  /** by thread: how far people have read in it; under "" those receipts that hold for all threads */
  receiptsIn: Record<string, Record<string, string>>
  /** of everything, threads included */
  unread: number
  highlights: number
  /** the threads that have something unread, by their first message */
  threads: Record<string, Unread>
  /** the first one is the notice */
  pinned?: string[]
  /** who stands above every power level */
  creators?: string[]
  /** who made it */
  creator?: string
  fullyRead?: string
  stretches: Stretch[]
  newest: number
  last?: Preview
  lastTs: number
  tags: string[]
}

/** A file that waits to be sent; its bytes are kept until they are on the server. */
export interface Attachment {
  blob: Blob
  name: string
  uri?: string
  uploaded?: boolean
  /** for an encrypted room: what goes to the server instead of the bytes, and what opens it; made once */
  sealed?: SealedFile
}

export type ItemState = 'queued' | 'sending' | 'sent' | 'failed'

/** Something to say. The transaction id is made once and never changes. */
export interface Item {
  txn: string
  seq: number
  room: string
  type: string
  content: Json
  redacts?: string
  attachment?: Attachment
  at: number
  tries: number
  notBefore: number
  state: ItemState
  eventId?: string
  error?: string
  /** what goes out to an encrypted room: encrypted once, and the same at each try */
  sealed?: Json
  /** the last answer was that nothing can be written now */
  cannot?: boolean
  /** it was tried by this device of its author, which is signed out: what became of it has to be asked first */
  formerly?: string
}

export interface Session {
  user: string
  device: string
  token: string
}

/** Account data: which rooms are between two, and which make no sound. */
export interface Account {
  direct: Record<string, string[]>
  muted: string[]
  ignored: string[]
}

export const NO_ACCOUNT: Account = { direct: {}, muted: [], ignored: [] }
