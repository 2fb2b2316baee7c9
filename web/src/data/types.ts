import type { Json } from '../net/matrix'
import type { Content, Powers } from './content'

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
  unread: number
  highlights: number
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
