import type { Json, JoinedRoom, Opened, RawEvent, SyncReply } from '../net/matrix'
import { contentOf, listsOf, powersOf, type Content } from './content'
import { isPollStart } from './poll'
import { mutedRooms, type Rules } from './rules'
import { straight } from './straight'
import type { Account, Entry, Member, Preview, Room, Stretch, Unread } from './types'

const SPAN = 2 ** 26 // places in a stretch; it grows from the middle in both directions
const MIDDLE = 2 ** 25

/** What a sync reply changes: whole rooms, entries to keep, ids whose content is gone. */
export interface Change {
  rooms: Room[]
  entries: Entry[]
  account?: Account
}

export const emptyRoom = (id: string): Room => ({
  id,
  membership: 'join',
  heroes: [],
  joined: 0,
  invited: 0,
  members: {},
  receipts: {},
  receiptsIn: {},
  unread: 0,
  highlights: 0,
  threads: {},
  stretches: [],
  newest: 0,
  lastTs: 0,
  tags: [],
})

/** A room that one is no longer in: what it was called stays, its history does not. */
export function leftRoom(before: Room): Room {
  const { last: _, ...room } = before
  return { ...room, membership: 'leave', unread: 0, highlights: 0, threads: {}, receipts: {}, receiptsIn: {}, stretches: [], newest: 0 }
}

export function readSync(reply: SyncReply, known: ReadonlyMap<string, Room>, account: Account): Change {
  const change: Change = { rooms: [], entries: [] }
  for (const [id, joined] of Object.entries(reply.rooms?.join ?? {})) {
    const arrived = readJoined(known.get(id) ?? emptyRoom(id), joined)
    change.rooms.push(arrived.room)
    change.entries.push(...arrived.entries)
  }
  for (const [id, invite] of Object.entries(reply.rooms?.invite ?? {})) {
    change.rooms.push(readInvite(id, invite.invite_state?.events ?? []))
  }
  for (const id of Object.keys(reply.rooms?.leave ?? {})) {
    change.rooms.push(leftRoom(known.get(id) ?? emptyRoom(id)))
  }
  const events = reply.account_data?.events ?? []
  if (events.length > 0) change.account = events.reduce(readAccount, account)
  return change
}

/** One room's news. The room comes back as a new value. */
export function readJoined(before: Room, joined: JoinedRoom): { room: Room; entries: Entry[] } {
  const room: Room = { ...before, membership: 'join', members: { ...before.members }, receipts: { ...before.receipts }, receiptsIn: { ...before.receiptsIn } }
  delete room.inviter
  delete room.isDirect
  for (const event of joined.state?.events ?? []) readState(room, event)
  const timeline = joined.timeline?.events ?? []
  openStretch(room, joined)
  const entries = timeline.map((event) => {
    if (event.state_key !== undefined) readState(room, event)
    return entryOf(event, room.id, room.newest++)
  })
  for (const entry of entries) noteLast(room, entry)
  readSummary(room, joined)
  for (const event of joined.ephemeral?.events ?? []) if (event.type === 'm.receipt') readReceipts(room, event.content)
  for (const event of joined.account_data?.events ?? []) readRoomData(room, event.type, event.content)
  return { room, entries }
}

/** The first sync opens the first stretch; one that left something out opens another, above a hole. */
function openStretch(room: Room, joined: JoinedRoom): void {
  const isFirst = room.stretches.length === 0
  if (!joined.timeline || (!isFirst && !joined.timeline.limited)) return
  const { stretch, newest } = nextStretch(room, joined.timeline.prev_batch ?? null)
  room.stretches = [...room.stretches, stretch]
  room.newest = newest
}

function nextStretch(room: Room, from: string | null): { stretch: Stretch; newest: number } {
  const number = (room.stretches.at(-1)?.number ?? 0) + 1
  const newest = number * SPAN + MIDDLE
  return { stretch: { number, from, oldest: newest - 1 }, newest }
}

/** A room of which nothing is kept any more. since: where the server goes back from when somebody looks. */
export function placeAbove(room: Room, since: string): Room {
  const { stretch, newest } = nextStretch(room, since)
  return { ...room, stretches: [stretch], newest }
}

export function entryOf(event: RawEvent, room: string, order: number): Entry {
  const content = contentOf(event.content)
  const entry: Entry = {
    id: event.event_id ?? `~${order}`,
    room,
    order,
    type: event.type,
    sender: event.sender,
    content,
    ts: event.origin_server_ts,
  }
  if (event.state_key !== undefined) entry.stateKey = event.state_key
  if (event.unsigned?.transaction_id) entry.txn = event.unsigned.transaction_id
  if (event.unsigned?.prev_content) entry.previous = contentOf(event.unsigned.prev_content)
  if (event.unsigned?.redacted_because || isEmptied(event)) entry.redacted = true
  const redacts = event.redacts ?? content.redacts
  if (event.type === 'm.room.redaction' && redacts) entry.redacts = redacts
  return aboutThreads(event.type === 'm.room.encrypted' ? sealedEntry(entry, event) : entry, event)
}

/** Of somebody who was erased, who comes later is told as much as of what was taken back. */
const isEmptied = (event: RawEvent): boolean => event.state_key === undefined && isSaid(event.type) && Object.keys(event.content ?? {}).length === 0

/** An encrypted event, and what it says if that is known already. */
function sealedEntry(entry: Entry, { opened, ...event }: RawEvent): Entry {
  const session = event.content['session_id']
  if (entry.stateKey !== undefined || entry.redacted || typeof session !== 'string') return entry
  const sealed = { ...entry, sealed: { session, event } }
  return opened ? openedEntry(sealed, opened) : sealed
}

/** The same once it was tried to read it. It is kept as it came while that failed, or while it is not sure who sent it. */
export function openedEntry(entry: Entry, { type, content, doubt, why = 'unable' }: Opened): Entry {
  const { sealed, doubt: _, ...rest } = entry
  if (!sealed) return entry
  if (type === undefined) return entry.opened ? entry : { ...entry, sealed: { ...sealed, why } }
  const clear: Entry = { ...rest, type, content: contentOf(content), opened: true }
  if (doubt === 'unproven') return { ...clear, doubt } // a key from the backup proves no more later on
  return doubt ? { ...clear, doubt, sealed } : clear
}

/** A room after an event of it could be read that could not before. */
export const withOpened = (room: Room, entry: Entry): Room => (room.last?.id === entry.id && isSaid(entry.type) ? { ...room, last: previewOf(entry) } : room)

/** How an event relates is told in the open, encrypted or not. */
function aboutThreads(entry: Entry, event: RawEvent): Entry {
  const { rel_type: kind, event_id: root } = contentOf(event.content)['m.relates_to'] ?? {}
  if (kind === 'm.thread' && root !== undefined) entry.thread = root
  const told = event.unsigned?.['m.relations']?.['m.thread']
  if (told?.latest_event && typeof told.count === 'number') entry.answers = { count: told.count, last: previewOf(asItReads(told.latest_event, entry.room, 0)) }
  return entry
}

/** An event by itself, in the wording of the edit that the server gave with it. */
export function asItReads(event: RawEvent, room: string, order: number): Entry {
  const entry = entryOf(event, room, order)
  const edit = event.unsigned?.['m.relations']?.['m.replace']
  const told = event.type === 'm.room.encrypted' ? edit?.opened?.content : edit?.content // the server could make up one that is not
  const wording = edit?.sender === event.sender ? contentOf(told)['m.new_content'] : undefined
  return wording && !entry.redacted ? { ...entry, content: { ...wording, ...relationIn(entry) } } : entry
}

const relationIn = ({ content }: Entry): Pick<Content, 'm.relates_to'> => (content['m.relates_to'] ? { 'm.relates_to': content['m.relates_to'] } : {})

export const stretchOf = (order: number): number => Math.floor(order / SPAN)

/** The lowest place that a stretch can have. */
export const floorOf = (number: number): number => number * SPAN

/**
 * A page of older history, newest first, below a stretch. `known`: ids that are kept already; meeting one closes the hole.
 * The room as it is then, and what is new.
 */
export function readOlder(
  room: Room,
  number: number,
  page: { chunk: RawEvent[]; end?: string; state?: RawEvent[] },
  known: ReadonlySet<string>,
): { room: Room; entries: Entry[] } {
  const stretch = room.stretches.find((one) => one.number === number)
  if (!stretch) return { room, entries: [] }
  const met = page.chunk.findIndex((event) => known.has(event.event_id ?? ''))
  const isBelow = room.stretches.some((one) => one.number < number)
  const fresh = met >= 0 && isBelow ? page.chunk.slice(0, met) : page.chunk.filter((event) => !known.has(event.event_id ?? ''))
  const entries = fresh.map((event, index) => entryOf(event, room.id, stretch.oldest - index))
  const from = (met >= 0 && isBelow) || !page.end ? null : page.end
  const grown = { ...stretch, from, oldest: stretch.oldest - entries.length }
  const members = { ...room.members }
  for (const event of page.state ?? []) {
    if (event.type === 'm.room.member' && event.state_key && !members[event.state_key]) members[event.state_key] = memberOf(contentOf(event.content))
  }
  const stretches = room.stretches.map((one) => (one === stretch ? grown : one))
  return { room: { ...room, stretches, members }, entries }
}

// --- state ---

type Text = 'name' | 'topic' | 'avatar' | 'alias' | 'joinRule' | 'fullyRead'

function put(room: { [key in Text]?: string }, key: Text, value: string | undefined): void {
  if (value) room[key] = value
  else delete room[key]
}

function readState(room: Room, event: RawEvent): void {
  const content = contentOf(event.content)
  if (event.type === 'm.room.member' && event.state_key) room.members[event.state_key] = memberOf(content)
  if (event.state_key !== '') return
  switch (event.type) {
    case 'm.room.name':
      return put(room, 'name', content.name && straight(content.name))
    case 'm.room.topic':
      return put(room, 'topic', content.topic)
    case 'm.room.avatar':
      return put(room, 'avatar', content.url)
    case 'm.room.canonical_alias':
      return put(room, 'alias', content.alias)
    case 'm.room.join_rules':
      return put(room, 'joinRule', content.join_rule)
    case 'm.room.encryption':
      room.encrypted = true
      return
    case 'm.room.pinned_events':
      room.pinned = content.pinned ?? []
      return
    case 'm.room.create':
      room.creator = event.sender
      if (standAbove(content.room_version)) room.creators = [event.sender, ...(content.additional_creators ?? [])]
      return
    case 'm.room.power_levels':
      room.powers = powersOf(event.content)
  }
}

function memberOf({ membership, displayname: name, avatar_url: avatar }: Content): Member {
  const member: Member = { membership: membership || 'leave' }
  if (name) member.name = straight(name)
  if (avatar) member.avatar = avatar
  return member
}

function readInvite(id: string, state: RawEvent[]): Room {
  const room = emptyRoom(id)
  for (const event of state) readState(room, event)
  const invite = state.findLast((event) => event.type === 'm.room.member' && contentOf(event.content).membership === 'invite')
  room.membership = 'invite'
  room.lastTs = invite?.origin_server_ts ?? Date.now()
  if (invite) {
    room.inviter = invite.sender
    if (contentOf(invite.content).is_direct) room.isDirect = true
    room.heroes = [invite.sender]
  }
  return room
}

// --- the rest ---

/** Since version 12, and in versions whose names are no numbers, nobody knows: there they do not. */
const standAbove = (version: string | undefined): boolean => Number(version ?? 1) >= 12

export const isSaid = (type: string): boolean => type === 'm.room.message' || type === 'm.sticker' || type === 'm.room.encrypted' || isPollStart(type)

/** Part of a verification between two people; it has a window of its own, and says nothing in the room. */
export const isVerification = (entry: Entry): boolean => entry.content.msgtype === 'm.key.verification.request'

function noteLast(room: Room, entry: Entry): void {
  if (room.last && entry.redacts === room.last.id) room.last = { ...room.last, content: {}, redacted: true }
  if (!isSaid(entry.type) || isVerification(entry)) {
    room.lastTs ||= entry.ts
    return
  }
  const { 'm.relates_to': relation, 'm.new_content': content } = entry.content
  if (relation?.rel_type === 'm.replace') {
    const isOwn = room.last?.id === relation.event_id && room.last?.sender === entry.sender
    if (content && room.last && isOwn && !room.last.redacted) room.last = { ...room.last, content }
    return
  }
  room.last = previewOf(entry)
  room.lastTs = entry.ts
}

export function previewOf(entry: Entry): Preview {
  const preview: Preview = { id: entry.id, sender: entry.sender, ts: entry.ts, type: entry.type, content: entry.content }
  if (entry.redacted) preview.redacted = true
  return preview
}

function readSummary(room: Room, joined: JoinedRoom): void {
  const { summary } = joined
  if (summary?.['m.heroes']) room.heroes = summary['m.heroes']
  room.joined = summary?.['m.joined_member_count'] ?? room.joined
  room.invited = summary?.['m.invited_member_count'] ?? room.invited
  if (joined.unread_notifications) readUnread(room, joined)
}

/** The server counts each thread by itself, and names those alone that have something. */
function readUnread(room: Room, { unread_notifications: main = {}, unread_thread_notifications: threads = {} }: JoinedRoom): void {
  const counts = Object.entries(threads).map(([root, { notification_count: unread = 0, highlight_count: highlights = 0 }]) => [root, { unread, highlights }] as const)
  room.threads = Object.fromEntries(counts.filter(([, { unread }]) => unread > 0))
  const sum = (of: keyof Unread) => Object.values(room.threads).reduce((total, one) => total + one[of], 0)
  room.unread = (main.notification_count ?? 0) + sum('unread')
  room.highlights = (main.highlight_count ?? 0) + sum('highlights')
}

/** A room after somebody read in its main timeline, or in a thread: to the end of it, or not quite. */
export function readUpTo(room: Room, me: string, event: string, thread: string | undefined, isAll: boolean): Room {
  if (thread === undefined) return { ...room, ...(isAll && readAll(room)), receipts: { ...room.receipts, [me]: event } }
  const receiptsIn = { ...room.receiptsIn, [thread]: { ...room.receiptsIn[thread], [me]: event } }
  return { ...room, ...(isAll && readThread(room, thread)), receiptsIn }
}

/** What is left is in threads. */
function readAll(room: Room): Unread {
  const left = Object.values(room.threads)
  const sum = (of: keyof Unread) => left.reduce((total, one) => total + one[of], 0)
  return { unread: sum('unread'), highlights: sum('highlights') }
}

function readThread({ unread, highlights, threads: all }: Room, thread: string): Pick<Room, 'threads' | 'unread' | 'highlights'> {
  const { [thread]: read, ...threads } = all
  return { threads, unread: Math.max(0, unread - (read?.unread ?? 0)), highlights: Math.max(0, highlights - (read?.highlights ?? 0)) }
}

/** Whoever read in a thread alone has not read the room, and the other way round; who names no thread has read both. */
function readReceipts(room: Room, content: Json): void {
  for (const [event, kinds] of Object.entries(content)) {
    for (const kind of ['m.read', 'm.read.private']) {
      const readers = (kinds as Record<string, Record<string, { thread_id?: string }>>)[kind] ?? {}
      for (const [user, receipt] of Object.entries(readers)) {
        const thread = receipt.thread_id || ''
        if (thread === '' || thread === 'main') room.receipts[user] = event
        if (thread !== 'main') room.receiptsIn[thread] = { ...room.receiptsIn[thread], [user]: event }
      }
    }
  }
}

function readRoomData(room: Room, type: string, content: Json): void {
  if (type === 'm.fully_read') put(room, 'fullyRead', typeof content['event_id'] === 'string' ? content['event_id'] : undefined)
  if (type === 'm.tag') room.tags = Object.keys((content['tags'] as Json | undefined) ?? {})
}

export function readAccount(account: Account, event: { type: string; content: Json }): Account {
  if (event.type === 'm.direct') return { ...account, direct: listsOf(event.content) }
  if (event.type === 'm.ignored_user_list') {
    return { ...account, ignored: Object.keys((event.content['ignored_users'] as Json | undefined) ?? {}) }
  }
  if (event.type !== 'm.push_rules') return account
  return { ...account, muted: mutedRooms((event.content['global'] ?? {}) as Rules) }
}
