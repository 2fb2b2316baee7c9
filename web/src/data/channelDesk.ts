import type { Assignment, ConversationSaid, Distribution, MessageSaid, Note, Opening, Reply } from '../net/interface'
import type { Relation, Wording } from './content'

/** The pure part of a channel's desk. Times in ms; `now` is the server's. */
export type Talk = ConversationSaid

// --- who may do what ---

const ACTS = ['take', 'give', 'give_back', 'to_bot', 'close'] as const
export type Act = (typeof ACTS)[number]

/** One person at the desk. isLead: may also act on what others have. */
export interface Agent {
  me: string
  isLead: boolean
  hasBot: boolean
}

/** What an agent may do with a conversation as it is now; the server asks the same again. */
export function actsOf({ state, agent }: Pick<Talk, 'state' | 'agent'>, who: Agent): Act[] {
  const isMine = state === 'open' && agent === who.me
  const isSomebodys = state === 'open'
  const mayLead = isMine || (isSomebodys && who.isLead)
  const can: Record<Act, boolean> = {
    take: !isSomebodys,
    give: mayLead,
    give_back: mayLead,
    to_bot: who.hasBot && (mayLead || state === 'waiting'),
    close: mayLead || state === 'waiting' || state === 'bot',
  }
  return ACTS.filter((act) => can[act])
}

/** An answer takes a conversation that nobody has; what another agent has is answered by nobody else. */
export const answering = ({ state, agent }: Pick<Talk, 'state' | 'agent'>, me: string): 'now' | 'takes' | 'not' =>
  state !== 'open' ? 'takes' : agent === me ? 'now' : 'not'

// --- lists ---

export const waitedOf = (talk: Pick<Talk, 'waiting_since'>, now: number): number | undefined =>
  talk.waiting_since == null ? undefined : Math.max(0, now - talk.waiting_since)

const SOON_MS = 60_000
const LATE_MS = 300_000

/** How urgent it is: an answer within a minute is good, and after five many have gone. */
export function urgencyOf(waited: number | undefined): 'calm' | 'soon' | 'late' {
  if (waited === undefined || waited < SOON_MS) return 'calm'
  return waited < LATE_MS ? 'soon' : 'late'
}

/** Who waits longest and is not open already; after the last one it begins again. */
export function nextWaiting(waiting: readonly Talk[], open: string | undefined): string | undefined {
  const ids = waiting.map((talk) => talk.conversation_id)
  const place = open === undefined ? -1 : ids.indexOf(open)
  return place < 0 ? ids[0] : (ids[place + 1] ?? ids.find((id) => id !== open))
}

/** What this device has shown of each conversation. since: all older ones count as shown. */
export interface Shown {
  since: number
  at: Record<string, number>
}

const SHOWN_MAX = 500

/** The customer has written since it was shown here. */
export const isUnread = (talk: Talk, shown: Shown): boolean =>
  talk.newest?.sender === 'customer' && talk.newest_ts > Math.max(shown.since, shown.at[talk.conversation_id] ?? 0)

export function withShown(shown: Shown, id: string, at: number): Shown {
  if ((shown.at[id] ?? 0) >= at) return shown
  const newest = Object.entries({ ...shown.at, [id]: at }).toSorted(([, left], [, right]) => right - left)
  const kept = newest.slice(0, SHOWN_MAX)
  return { since: newest.length > SHOWN_MAX ? Math.max(shown.since, newest[SHOWN_MAX]![1]) : shown.since, at: Object.fromEntries(kept) }
}

// --- what was said ---

export interface SaidLine {
  kind: 'said'
  id: string
  ts: number
  sender: string
  /** what of the channel spoke: a person, a bot, the desk itself or a template */
  by: string | undefined
  author: string | undefined
  messageId: string | undefined
  body: string
  html: string | undefined
  file: { uri: string; isPicture: boolean; type: string; size: number | undefined } | undefined
  isEdited: boolean
  isDeleted: boolean
  isSealed: boolean
  isRead: boolean
}
export interface NoteLine {
  kind: 'note'
  id: string
  ts: number
  author: string
  body: string
}
/** Somebody has it from then on; agent null: nobody has it any more. */
export interface TurnLine {
  kind: 'turn'
  id: string
  ts: number
  agent: string | null
}
export type Line = SaidLine | NoteLine | TurnLine

/** A page of messages, and where the older ones begin. */
export interface Messages {
  messages: MessageSaid[]
  next: string | undefined
}

/** The newest page over what was read before. Where they do not meet, what is older is read anew. */
export function merged(before: Messages | undefined, newest: Messages): Messages {
  if (!before) return newest
  const fresh = new Set(newest.messages.map((message) => message.event_id))
  const older = before.messages.filter((message) => !fresh.has(message.event_id))
  const doMeet = older.length < before.messages.length || before.messages.length === 0
  return doMeet && older.length > 0 ? { messages: [...newest.messages, ...older], next: before.next } : newest
}

export const withOlder = (before: Messages, older: Messages): Messages => {
  const known = new Set(before.messages.map((message) => message.event_id))
  return { messages: [...before.messages, ...older.messages.filter((message) => !known.has(message.event_id))], next: older.next }
}

const relationOf = (message: MessageSaid): Relation => (message.content['m.relates_to'] as Relation | undefined) ?? {}
const isEdit = (message: MessageSaid): boolean => relationOf(message).rel_type === 'm.replace'

/** The last edit of each message, by who wrote it. */
function editsOf(messages: readonly MessageSaid[]): Map<string, MessageSaid> {
  const edits = new Map<string, MessageSaid>()
  for (const message of messages) {
    const about = relationOf(message).event_id
    if (!message.deleted && isEdit(message) && about && !edits.has(about)) edits.set(about, message) // the newest comes first
  }
  return edits
}

const FALLBACK = /^(?:> .*\n)+\n/

function saidLine(message: MessageSaid, edit: MessageSaid | undefined): SaidLine {
  const edited = edit && edit.sender === message.sender ? edit : undefined
  const wording = ((edited ? edited.content['m.new_content'] : undefined) ?? message.content) as Wording
  const body = typeof wording.body === 'string' ? wording.body : ''
  const isReply = relationOf(message)['m.in_reply_to'] !== undefined
  const isRich = wording.format === 'org.matrix.custom.html' && typeof wording.formatted_body === 'string'
  return {
    kind: 'said',
    id: message.event_id,
    ts: message.sent_ts,
    sender: message.sender,
    by: message.kind ?? undefined,
    author: message.author ?? undefined,
    messageId: message.message_id ?? undefined,
    body: isReply ? body.replace(FALLBACK, '') : body,
    html: isRich ? wording.formatted_body : undefined,
    file: fileOf(wording),
    isEdited: edited !== undefined,
    isDeleted: message.deleted === true,
    isSealed: message.sealed === true,
    isRead: message.read === true,
  }
}

function fileOf({ url, msgtype, info }: Wording): SaidLine['file'] {
  if (typeof url !== 'string' || !url.startsWith('mxc://')) return undefined
  const isPicture = msgtype === 'm.image' || msgtype === undefined // stickers have no type of their own
  return { uri: url, isPicture, type: typeof info?.mimetype === 'string' ? info.mimetype : '', size: typeof info?.size === 'number' ? info.size : undefined }
}

/** All that happened, in order. What is older than the oldest message that was read waits until that is read, too. */
export function linesOf({ messages, next }: Messages, notes: readonly Note[], turns: readonly Assignment[]): Line[] {
  const edits = editsOf(messages)
  const said = messages.filter((message) => !isEdit(message)).map((message) => saidLine(message, edits.get(message.event_id)))
  const beside: Line[] = [
    ...notes.map(({ note_id: id, made_ts: ts, author, body }): Line => ({ kind: 'note', id, ts, author, body })),
    ...turnsOf(turns),
  ]
  const from = next === undefined ? 0 : (messages.at(-1)?.sent_ts ?? 0)
  return [...said, ...beside.filter((line) => line.ts >= from)].toSorted((left, right) => left.ts - right.ts)
}

function turnsOf(turns: readonly Assignment[]): TurnLine[] {
  return turns.flatMap(({ agent, from_ts: from, until_ts: until }, at): TurnLine[] => {
    const begun: TurnLine = { kind: 'turn', id: `turn ${from}`, ts: from, agent }
    const isLast = until !== null && turns[at + 1]?.from_ts !== until
    return isLast ? [begun, { kind: 'turn', id: `end ${until}`, ts: until, agent: null }] : [begun]
  })
}

// --- shortcuts ---

/** The letter or sign of a key; where Hangul is typed, the Latin letter in the same place. */
export function keyOf({ key, code }: Pick<KeyboardEvent, 'key' | 'code'>): string {
  if (/^[!-~]$/.test(key)) return key.toLowerCase()
  return /^Key[A-Z]$/.test(code) ? code.slice(3).toLowerCase() : key
}

// --- kept answers ---

/** What was typed after "/", or nothing where no kept answer is asked for. */
export const slashed = (text: string): string | undefined => (/^\/[^\n]*$/.test(text) ? text.slice(1).trim() : undefined)

const fold = (text: string): string => text.normalize('NFC').toLocaleLowerCase()

/** Whose name begins so, then whose name holds it, then whose text holds it. */
export function repliesFor(replies: readonly Reply[], typed: string): Reply[] {
  const wanted = fold(typed)
  const rank = (reply: Reply) => (fold(reply.name).startsWith(wanted) ? 0 : fold(reply.name).includes(wanted) ? 1 : fold(reply.body).includes(wanted) ? 2 : 3)
  return replies
    .map((reply) => ({ reply, rank: rank(reply) }))
    .filter((one) => one.rank < 3)
    .toSorted((left, right) => left.rank - right.rank)
    .map((one) => one.reply)
}

// --- opening hours: minutes of the day, those of Korea ---

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Day = (typeof DAYS)[number]
/** closes before it opens: on the day after */
export interface Span {
  opens: number
  closes: number
}
export type Week = Readonly<Record<Day, readonly Span[]>>

const DAY_MINUTES = 1_440
const HOURS_MAX = 14

export const NO_WEEK: Week = { mon: [], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [] }

const minutesOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))
export const timeText = (minutes: number): string => `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`

export function weekOf(hours: readonly Opening[]): Week {
  const spans = (day: Day) =>
    hours
      .filter((opening) => opening.days.includes(day))
      .map(({ opens, closes }) => ({ opens: minutesOf(opens), closes: minutesOf(closes) }))
      .toSorted((left, right) => left.opens - right.opens)
  return Object.fromEntries(DAYS.map((day) => [day, spans(day)])) as unknown as Week
}

/** Days with the same hours are one entry. */
export function hoursFrom(week: Week): Opening[] {
  const found = new Map<string, Opening>()
  for (const day of DAYS) {
    for (const { opens, closes } of week[day]) {
      const key = `${opens} ${closes}`
      const opening = found.get(key) ?? { days: [], opens: timeText(opens), closes: timeText(closes) }
      opening.days.push(day)
      found.set(key, opening)
    }
  }
  return [...found.values()]
}

/** What a field of a form says, "09:00"; midnight is where the day ends. */
export const closingOf = (text: string): number => minutesOf(text) || DAY_MINUTES

export interface Block {
  from: number
  to: number
}

/** What is open on each day, as it is drawn: past midnight it goes on where the next day begins. */
export function blocksOf(week: Week): Record<Day, Block[]> {
  const blocks: Record<Day, Block[]> = { mon: [], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [] }
  DAYS.forEach((day, at) => {
    for (const { opens, closes } of week[day]) {
      if (opens < closes) blocks[day].push({ from: opens, to: closes })
      else {
        blocks[day].push({ from: opens, to: DAY_MINUTES })
        if (closes > 0) blocks[DAYS[(at + 1) % 7]!].push({ from: 0, to: closes })
      }
    }
  })
  for (const day of DAYS) blocks[day].sort((left, right) => left.from - right.from)
  return blocks
}

export type Fault = 'nothing' | 'same' | 'overlap' | 'many'

/** What keeps a week from being saved. */
export function faultOf(week: Week): Fault | undefined {
  const hours = hoursFrom(week)
  if (hours.length === 0) return 'nothing'
  if (DAYS.some((day) => week[day].some(({ opens, closes }) => opens === closes))) return 'same'
  if (hours.length > HOURS_MAX) return 'many'
  const blocks = blocksOf(week)
  return DAYS.some((day) => blocks[day].some((block, at) => at > 0 && block.from < blocks[day][at - 1]!.to)) ? 'overlap' : undefined
}

// --- figures ---

const AXIS = { from: 10_000, to: 86_400_000 } as const
export const MARKS = [60_000, 600_000, 3_600_000, 21_600_000] as const

/** Where a time stands on an axis from ten seconds to a day, 0 to 1; each step is as many times as long. */
export function placeOf(ms: number): number {
  const place = Math.log(Math.max(1, ms) / AXIS.from) / Math.log(AXIS.to / AXIS.from)
  return Math.min(1, Math.max(0, place))
}

type Quantile = 'median' | 'p90' | 'p99' | 'longest'
export const QUANTILES: readonly Quantile[] = ['median', 'p90', 'p99', 'longest']

export const quantilesOf = (distribution: Distribution): { name: Quantile; ms: number }[] =>
  QUANTILES.flatMap((name) => (distribution[name] === null ? [] : [{ name, ms: distribution[name] }]))
