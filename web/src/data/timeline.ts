import type { Doubt, Why } from '../net/matrix'
import { isVerification, stretchOf } from './arrival'
import { contentOf, type Content, type Relation, type Wording } from './content'
import { isCalled } from './mentions'
import { standsAlone } from './outbox'
import { isAboutPoll, isPollStart, tally, type MayEnd, type Poll } from './poll'
import { mayRedact } from './rooms'
import { secretUriOf } from './secretUri'
import { straight } from './straight'
import { conversationOf, threadSummaries, type Thread } from './threads'
import type { Entry, Item, Room } from './types'

export interface Reaction {
  key: string
  users: string[]
  mine?: string
}

export interface Media {
  uri: string
  kind: 'image' | 'video' | 'audio' | 'file'
  name: string
  size?: number
  width?: number
  height?: number
  type?: string
  isSticker?: boolean
  /** what was said with it */
  caption?: string
  blurhash?: string
  /** in milliseconds */
  duration?: number
  /** of something spoken; empty where its author's client drew none */
  waveform?: number[]
}

/** One thing said, with everything that was later said about it. */
export interface Message {
  key: string
  id?: string
  txn?: string
  order: number
  sender: string
  ts: number
  mine: boolean
  kind: 'text' | 'notice' | 'emote' | 'media' | 'poll' | 'redacted' | 'encrypted'
  body: string
  html?: string
  media?: Media
  /** of a file of one's own whose caption can be changed: how the message reads now */
  wording?: Wording
  replyTo?: string
  edited: boolean
  reactions: Reaction[]
  unread: number
  sending?: Item
  /** of what is encrypted: why it cannot be read; 'opening' while it was not tried */
  locked?: Why | 'opening'
  doubt?: Doubt
  /** who is called by it; an edit of it calls the same ones */
  mentions: string[]
  /** it calls the reader */
  callsMe: boolean
  poll?: Poll
  /** the thread that begins with it */
  thread?: Thread
  isPinned?: boolean
  /** it calls an agent to a channel's desk, where a customer waits */
  desk?: { channel: string; talk: string }
}

export type Row =
  | { key: string; kind: 'date'; ts: number }
  | { key: string; kind: 'unread' }
  | { key: string; kind: 'hole' }
  | { key: string; kind: 'start' }
  | { key: string; kind: 'event'; entry: Entry }
  | { key: string; kind: 'message'; message: Message; first: boolean; last: boolean }

const SHOWN_STATE = new Set(['m.room.member', 'm.room.name', 'm.room.topic', 'm.room.avatar', 'm.room.encryption', 'm.room.create', 'm.room.pinned_events'])
const SAID = new Set(['m.room.message', 'm.sticker', 'm.room.encrypted'])
const isSaid = (type: string): boolean => SAID.has(type) || isPollStart(type)

interface Said {
  edits: Map<string, Entry>
  reactions: Map<string, Map<string, Entry[]>>
  redacted: Set<string>
  /** responses to polls and their ends */
  polls: Map<string, Entry[]>
}

const nothingSaid = (): Said => ({ edits: new Map(), reactions: new Map(), redacted: new Set(), polls: new Map() })

const relationOf = (entry: Entry): Relation => entry.content['m.relates_to'] ?? {}

/** What was said about other events: the newest edit by the same person, reactions, redactions. */
function gather(entries: readonly Entry[]): Said {
  const said = nothingSaid()
  const targets = new Map(entries.map((entry) => [entry.id, entry]))
  for (const entry of entries) if (entry.redacts) said.redacted.add(entry.redacts)
  for (const entry of entries) {
    if (entry.redacted || said.redacted.has(entry.id)) continue
    const { rel_type: kind, event_id: target, key } = relationOf(entry)
    if (target === undefined) continue
    if (kind === 'm.replace' && mayReplace(entry, targets.get(target))) said.edits.set(target, entry)
    if (entry.type === 'm.reaction' && key !== undefined) addReaction(said, target, key, entry)
    if (kind === 'm.reference' && isAboutPoll(entry.type) && mayBeAbout(entry, targets.get(target))) said.polls.set(target, [...(said.polls.get(target) ?? []), entry])
  }
  return said
}

/** What came encrypted is not changed by what did not: the server could have made that up. */
const mayBeAbout = (entry: Entry, target: Entry | undefined): boolean => target?.opened !== true || entry.opened === true

const mayReplace = (entry: Entry, target: Entry | undefined): boolean =>
  target?.sender === entry.sender && mayBeAbout(entry, target) && entry.type !== 'm.room.encrypted'

function addReaction(said: Said, target: string, key: string, entry: Entry): void {
  const keys = said.reactions.get(target) ?? new Map<string, Entry[]>()
  said.reactions.set(target, keys)
  const list = keys.get(key) ?? []
  if (!list.some((one) => one.sender === entry.sender)) keys.set(key, [...list, entry])
}

const isReplacement = (entry: Entry): boolean => relationOf(entry).rel_type === 'm.replace'

const KINDS = new Map<string | undefined, Media['kind']>([
  ['m.image', 'image'],
  ['m.video', 'video'],
  ['m.audio', 'audio'],
  ['m.file', 'file'],
])

/** What was said with a file. */
export const captionOf = ({ filename, body }: Content): string | undefined => (filename !== undefined && body && body !== filename ? body : undefined)

/** The file of a message, if it is one. */
export function mediaOf(type: string, content: Content): Media | undefined {
  const { url, file, msgtype, filename, body, info = {}, ...more } = content
  const uri = url ?? secretUriOf(file, info)
  const isSticker = type === 'm.sticker'
  const kind = isSticker ? 'image' : KINDS.get(msgtype)
  if (!kind || uri === undefined) return undefined
  const media: Media = { uri, kind, name: straight(filename ?? body ?? '') }
  if (isSticker) media.isSticker = true
  const caption = captionOf(content)
  if (caption !== undefined) media.caption = caption
  if (info.size !== undefined) media.size = info.size
  if (info.w !== undefined && info.w > 0) media.width = info.w
  if (info.h !== undefined && info.h > 0) media.height = info.h
  if (info.mimetype !== undefined) media.type = info.mimetype
  if (info['xyz.amorgan.blurhash'] !== undefined) media.blurhash = info['xyz.amorgan.blurhash']
  const sound = more['org.matrix.msc1767.audio'] ?? {}
  const duration = sound.duration ?? info.duration
  if (duration !== undefined && duration > 0) media.duration = duration
  if (kind === 'audio' && more['org.matrix.msc3245.voice']) media.waveform = sound.waveform ?? []
  return media
}

/** The text without the quotation that old clients put before a reply. */
export function withoutFallback(body: string, isReply: boolean): string {
  if (!isReply || !body.startsWith('> ')) return body
  const lines = body.split('\n')
  const end = lines.findIndex((line) => !line.startsWith('>'))
  return end < 0 ? body : lines.slice(lines[end] === '' ? end + 1 : end).join('\n')
}

const isGone = (entry: Entry, said: Said): boolean => entry.redacted === true || said.redacted.has(entry.id)

/** How something reads now: as it was edited, or not at all. */
function wordingOf(entry: Entry, said: Said): Content {
  if (isGone(entry, said)) return {}
  return said.edits.get(entry.id)?.content['m.new_content'] ?? entry.content
}

/** The messages among what is kept of a room, as they read now. entries: oldest first. */
export function standing(entries: readonly Entry[]): Entry[] {
  const said = gather(entries)
  const messages = entries.filter((entry) => entry.type === 'm.room.message' && !isReplacement(entry) && !isGone(entry, said))
  return messages.map((entry) => ({ ...entry, content: wordingOf(entry, said) }))
}

function messageOf(entry: Entry, said: Said, me: string): Message {
  const isHere = !isGone(entry, said)
  const content = wordingOf(entry, said)
  const replyTo = isHere ? replyIn(entry) : undefined
  const reactions = [...(said.reactions.get(entry.id) ?? [])].map(([key, list]) => {
    const mine = list.find((one) => one.sender === me)?.id
    return { key, users: list.map((one) => one.sender), ...(mine && { mine }) }
  })
  const message: Message = {
    key: entry.txn ?? entry.id,
    id: entry.id,
    order: entry.order,
    sender: entry.sender,
    ts: entry.ts,
    mine: entry.sender === me,
    kind: kindOf(entry, said, content),
    body: withoutFallback(content.body ?? '', replyTo !== undefined),
    edited: isHere && said.edits.has(entry.id),
    reactions,
    unread: 0,
    mentions: content['m.mentions']?.user_ids ?? [],
    callsMe: entry.sender !== me && isCalled(content['m.mentions'], me),
  }
  if (message.kind === 'encrypted') message.locked = entry.sealed ? (entry.sealed.why ?? 'opening') : 'unable'
  if (entry.doubt && isHere) message.doubt = entry.doubt
  return describe(message, entry.type, content, replyTo)
}

/** In a thread every message answers the one before it, for clients that know no threads; that is no answer to it. */
function replyIn(entry: Entry): string | undefined {
  const relation = relationOf(entry)
  return relation.is_falling_back ? undefined : relation['m.in_reply_to']?.event_id
}

function describe(message: Message, type: string, content: Content, replyTo: string | undefined): Message {
  const media = mediaOf(type, content)
  if (media && message.kind === 'media') message.media = media
  if (message.media && message.mine && !media?.isSticker && !media?.waveform) message.wording = content
  if (content.format === 'org.matrix.custom.html' && content.formatted_body !== undefined) message.html = content.formatted_body
  if (replyTo !== undefined) message.replyTo = replyTo
  const { about, channel_id: channel, conversation_id: talk } = content['bongsu.channel'] ?? {}
  if (about === 'desk.waiting' && channel && talk) message.desk = { channel, talk }
  return message
}

function kindOf(entry: Entry, said: Said, content: Content): Message['kind'] {
  if (isGone(entry, said)) return 'redacted'
  if (entry.type === 'm.room.encrypted') return 'encrypted'
  if (content.poll && isPollStart(entry.type)) return 'poll'
  if (mediaOf(entry.type, content)) return 'media'
  const type = content.msgtype
  return type === 'm.notice' ? 'notice' : type === 'm.emote' ? 'emote' : 'text'
}

const hasArrived = (item: Item, arrived: ReadonlySet<string>): boolean => arrived.has(item.txn) || (item.eventId !== undefined && arrived.has(item.eventId))

/** What waits in the outbox, as it will look. arrived: ids of events, and of transactions that became one. */
function waiting(items: readonly Item[], me: string, arrived: ReadonlySet<string>): Message[] {
  const shown = items.filter((item) => standsAlone(item) && !hasArrived(item, arrived))
  const none = nothingSaid()
  return shown
    .map((item) => {
      const entry = { id: item.txn, room: item.room, order: Infinity, type: item.type, sender: me, content: contentOf(item.content), ts: item.at }
      const message = messageOf(entry, none, me)
      delete message.id
      if (item.attachment) message.kind = 'media'
      if (message.kind === 'poll') message.poll = tally(entry, [], me, () => false)!
      return { ...message, txn: item.txn, sending: item }
    })
}

/** Edits, reactions and redactions on their way, as if they had arrived. */
function echoes(view: View, arrived: ReadonlySet<string>): Entry[] {
  const shown = view.items.filter((item) => !standsAlone(item) && item.state !== 'failed' && !hasArrived(item, arrived))
  return shown.map((item) => ({
    id: item.eventId ?? item.txn,
    room: item.room,
    order: Infinity,
    type: item.type,
    sender: view.me,
    content: contentOf(item.content),
    ts: item.at,
    opened: true, // it was said here, whatever becomes of it on the way
    ...(item.redacts && { redacts: item.redacts }),
  }))
}

/**
 * How many have not read each message, by the newest place that each person is known to have reached. thread: the
 * conversation within the room; places: of events that are not among the entries.
 */
export function unreadCounter(room: Room, entries: readonly Entry[], thread?: string, places?: ReadonlyMap<string, number>): (order: number) => number {
  const known = new Map([...(places ?? []), ...entries.map((entry) => [entry.id, entry.order] as const)])
  const reached = new Map<string, number>()
  const reach = (user: string, order = -Infinity) => reached.set(user, Math.max(reached.get(user) ?? -Infinity, order))
  const receipts = [thread === undefined ? room.receipts : room.receiptsIn[thread], room.receiptsIn['']]
  for (const [user, event] of receipts.flatMap((one) => Object.entries(one ?? {}))) reach(user, known.get(event))
  for (const entry of entries) if (conversationOf(entry) === thread) reach(entry.sender, entry.order)
  const gone = (user: string) => (room.members[user]?.membership ?? 'join') !== 'join'
  const all = [...reached].filter(([user]) => !gone(user)).map(([, order]) => order).toSorted((a, b) => a - b)
  return (order) => Math.max(0, room.joined - (all.length - firstAtLeast(all, order)))
}

function firstAtLeast(sorted: readonly number[], wanted: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < wanted) low = middle + 1
    else high = middle
  }
  return low
}

export interface View {
  room: Room
  entries: readonly Entry[]
  items: readonly Item[]
  me: string
  readUpTo?: string | undefined
  ignored: readonly string[]
  isStart: boolean
  /** one thread alone: its first message and what was said in it */
  thread?: string
  /** events that are not shown, but say something about those that are */
  also?: readonly Entry[]
  /** of receipts' events that are not among the entries */
  places?: ReadonlyMap<string, number>
  /** it does not reach to now, so nobody knows who has read how far */
  isPast?: boolean
}

/** A room as rows: dates, the line above the first unread, notices, messages with what belongs to them. */
export function rows(view: View): Row[] {
  const arrived = new Set(view.entries.flatMap(({ id, txn }) => (txn ? [id, txn] : [id])))
  const said = gather([...view.entries, ...(view.also ?? []), ...echoes(view, arrived)])
  const count = view.isPast ? () => 0 : unreadCounter(view.room, view.entries, view.thread, view.places)
  const isShown = (entry: Entry) => conversationOf(entry) === view.thread || entry.id === view.thread
  const threads = view.thread === undefined ? threadSummaries(view.room, [...view.entries, ...(view.also ?? [])], (entry) => (isGone(entry, said) ? null : { ...entry, content: wordingOf(entry, said) })) : undefined
  const mayEnd: MayEnd = (user) => mayRedact(view.room, user)
  const list: Row[] = []
  if (view.isStart) list.push({ key: 'start', kind: 'start' })
  const line = new Line(view, list)
  for (const entry of view.entries) {
    line.stretch(stretchOf(entry.order))
    if (view.ignored.includes(entry.sender)) continue
    if (isSaid(entry.type) && !isReplacement(entry) && !isVerification(entry) && isShown(entry)) {
      const message = messageOf(entry, said, view.me)
      if (isClear(view.room, entry) && message.kind !== 'redacted') message.doubt = 'clear'
      message.unread = count(entry.order)
      if (message.kind === 'poll') message.poll = tally(entry, said.polls.get(entry.id) ?? [], view.me, mayEnd)!
      if (threads?.has(entry.id)) message.thread = threads.get(entry.id)!
      if (view.room.pinned?.includes(entry.id)) message.isPinned = true
      line.message(message)
    } else if (SHOWN_STATE.has(entry.type) && view.thread === undefined && isNews(entry, view.room)) line.event(entry)
    line.passed(entry.id)
  }
  if (!view.isPast) for (const message of waiting(view.items.filter((item) => threadIn(item) === view.thread), view.me, arrived)) line.message(message)
  return list
}

/** Did something come unencrypted, though everything else here is not? */
const isClear = (room: Room, entry: Entry): boolean => room.encrypted === true && !entry.opened && entry.type !== 'm.room.encrypted'

const threadIn = (item: Item): string | undefined => {
  const { rel_type: kind, event_id: root } = contentOf(item.content)['m.relates_to'] ?? {}
  return kind === 'm.thread' ? root : undefined
}

/** The row of an event; if it has none, of the next one that has. */
export function rowNear(list: readonly Row[], id: string, order: number | undefined): string | undefined {
  const placed = list.flatMap((row) => (row.kind === 'message' ? [{ key: row.key, id: row.message.id, order: row.message.order }] : row.kind === 'event' ? [{ key: row.key, id: row.entry.id, order: row.entry.order }] : []))
  const exact = placed.find((row) => row.id === id)
  return (exact ?? (order === undefined ? undefined : placed.find((row) => row.order >= order)))?.key
}

/** A member event that changes nothing people see is no news; nor that somebody went, unless one was left alone. */
function isNews(entry: Entry, room: Room): boolean {
  if (entry.type !== 'm.room.member') return true
  if (entry.content.membership === 'leave' && entry.stateKey === entry.sender && room.joined > 1) return false
  const before = entry.previous ?? {}
  return before.membership !== entry.content.membership || before.displayname !== entry.content.displayname
}

const MINUTE = 60_000
const dayOf = (ts: number): string => new Date(ts).toDateString()

/** Puts date lines and the unread line between, and tells which messages stand together. */
class Line {
  private day = ''
  private readonly days = new Map<string, number>() // clocks differ: a day may come twice
  private before: Extract<Row, { kind: 'message' }> | undefined
  private number = 0
  private hasPassed = false
  private hasLine = false

  constructor(
    private readonly view: View,
    private readonly list: Row[],
  ) {}

  /** Between two stretches something is missing, until it was fetched. */
  stretch(number: number): void {
    const { stretches } = this.view.room
    const isHole = this.number < number && this.number > 0 && stretches.some((one) => one.number === number && one.from !== null)
    this.number = number
    if (!isHole) return
    this.before = undefined
    this.list.push({ key: `hole ${number}`, kind: 'hole' })
  }

  message(message: Message): void {
    this.date(message.ts)
    this.unread(message)
    const together = this.before && this.before.message.sender === message.sender && minute(this.before.message) === minute(message)
    if (together && this.before) this.before.last = false
    this.before = { key: message.key, kind: 'message', message, first: !together, last: true }
    this.list.push(this.before)
  }

  event(entry: Entry): void {
    this.date(entry.ts)
    this.before = undefined
    this.list.push({ key: entry.id, kind: 'event', entry })
  }

  passed(id: string): void {
    if (id === this.view.readUpTo) this.hasPassed = true
  }

  private unread(message: Message): void {
    if (!this.hasPassed || this.hasLine || message.mine) return
    this.hasLine = true
    this.before = undefined
    this.list.push({ key: 'unread', kind: 'unread' })
  }

  private date(ts: number): void {
    const day = dayOf(ts)
    if (day === this.day) return
    this.day = day
    this.before = undefined
    const times = (this.days.get(day) ?? 0) + 1
    this.days.set(day, times)
    this.list.push({ key: `${day} ${times}`, kind: 'date', ts })
  }
}

const minute = (message: Message): number => Math.floor(message.ts / MINUTE)
