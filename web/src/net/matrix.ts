import { parsed, Refused, refusedBy, Unreachable } from './errors'
import type { Asking, Sites } from './sites'
import { Cut, Upload } from './upload'

const V3 = '/_matrix/client/v3'
const BONGSU = '/_bongsu/v1'
const V1 = '/_matrix/client/v1'
const MEDIA = `${V1}/media`
const SYNC_MS = 25_000
const SYNC_GRACE_MS = 10_000
const BUSY = new Set([503, 507]) // this site cannot take a file now; another may
const TWICE: Asking = { again: 'after' } // a POST that does no harm when it is made twice

export type Json = Record<string, unknown>

export interface RawEvent {
  event_id?: string
  room_id?: string
  type: string
  sender: string
  content: Json
  origin_server_ts: number
  state_key?: string
  redacts?: string
  unsigned?: {
    transaction_id?: string
    redacted_because?: Json
    prev_content?: Json
    'm.relations'?: { 'm.thread'?: { count?: number; latest_event?: RawEvent }; 'm.replace'?: RawEvent }
  }
  /** of an encrypted one, once somebody tried to open it */
  opened?: Opened
}

/** missing: its key is not here, and may come; withheld: the sender gives it to verified sessions alone; unable: it is broken. */
export type Why = 'missing' | 'withheld' | 'unable'

/** Why it is not sure who sent something. clear: it did not come encrypted, and everything else in the room does. */
export type Doubt = 'unsigned' | 'unknown' | 'violation' | 'unproven' | 'mismatch' | 'clear'

/** What an encrypted event says, or why it cannot be read. */
export interface Opened {
  type?: string
  content?: Json
  doubt?: Doubt
  why?: Why
}

export interface Counts {
  notification_count?: number
  highlight_count?: number
}

/** Events, and where to go on. */
export interface EventPage {
  chunk: RawEvent[]
  next_batch?: string
}

export interface Context {
  event: RawEvent
  events_before?: RawEvent[]
  events_after?: RawEvent[]
  start?: string
  end?: string
  state?: RawEvent[]
}

export interface JoinedRoom {
  summary?: { 'm.heroes'?: string[]; 'm.joined_member_count'?: number; 'm.invited_member_count'?: number }
  state?: { events: RawEvent[] }
  timeline?: { events: RawEvent[]; limited?: boolean; prev_batch?: string }
  ephemeral?: { events: { type: string; content: Json }[] }
  account_data?: { events: { type: string; content: Json }[] }
  unread_notifications?: Counts
  unread_thread_notifications?: Record<string, Counts>
}

/** What a sync tells about keys of this session and of others. */
export interface KeyNews {
  to_device?: { events: Json[] }
  device_lists?: { changed?: string[]; left?: string[] }
  device_one_time_keys_count?: Record<string, number>
  device_unused_fallback_key_types?: string[]
}

export interface SyncReply extends KeyNews {
  next_batch: string
  account_data?: { events: { type: string; content: Json }[] }
  rooms?: {
    join?: Record<string, JoinedRoom>
    invite?: Record<string, { invite_state?: { events: RawEvent[] } }>
    leave?: Record<string, JoinedRoom>
  }
}

export interface Login {
  user_id: string
  access_token: string
  device_id: string
}

export interface Person {
  user_id: string
  display_name?: string | null
  avatar_url?: string | null
}

export interface Device {
  device_id: string
  display_name?: string | null
  last_seen_ts?: number | null
  last_seen_ip?: string | null
}

const FILTER = {
  presence: { types: [] },
  room: { timeline: { limit: 30, unread_thread_notifications: true }, state: { lazy_load_members: true } },
}

const part = encodeURIComponent

/** mxc://server/id as the two segments of a media path; null for anything else. */
export function mediaPath(uri: string): string | null {
  const match = /^mxc:\/\/([A-Za-z0-9.:[\]-]+)\/([A-Za-z0-9_-]+)$/.exec(uri)
  return match ? `${match[1]}/${match[2]}` : null
}

/** The client-server API, as far as this client needs it. The token goes into the header and nowhere else. */
export class Matrix {
  token: string | null = null
  onSignedOut: () => void = () => {}

  constructor(readonly sites: Sites) {}

  // --- accounts ---

  login(user: string, password: string, deviceName: string): Promise<Login> {
    const identifier = { type: 'm.id.user', user }
    const body = { type: 'm.login.password', identifier, password, device_id: newDevice(), initial_device_display_name: deviceName }
    return this.json('POST', `${V3}/login`, body, TWICE)
  }

  /** Goes through the stages that the server asks for: none, or a token that somebody handed out. */
  async register(username: string, password: string, deviceName: string, token: string): Promise<Login> {
    const body = { username, password, initial_device_display_name: deviceName }
    let auth: Json | undefined
    for (let round = 0; round < 4; round++) {
      try {
        return await this.json('POST', `${V3}/register`, auth ? { ...body, auth } : body)
      } catch (error) {
        auth = nextStage(error, token)
      }
    }
    throw new Refused(401, 'M_UNKNOWN', 'too many steps')
  }

  /** It may outlast the page. */
  async logout(): Promise<void> {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' }
    await this.sites.ask(`${V3}/logout`, { method: 'POST', headers, body: '{}', keepalive: true }, TWICE)
  }

  /** Is the session over, as far as any site knows? One that another site contradicts is not asked for a while. */
  async isOver(): Promise<boolean> {
    const told = await this.sites.each(`${V3}/account/whoami`, { headers: { authorization: `Bearer ${this.token}` } })
    const statuses = [...told.values()]
    const isKnown = statuses.includes(200)
    for (const [site, status] of told) if (isKnown && status === 401) this.sites.failed(site)
    return !isKnown && statuses.includes(401)
  }

  profile(user: string): Promise<{ displayname?: string; avatar_url?: string }> {
    return this.json('GET', `${V3}/profile/${part(user)}`)
  }

  setProfile(user: string, key: 'displayname' | 'avatar_url', value: string): Promise<unknown> {
    return this.json('PUT', `${V3}/profile/${part(user)}/${key}`, { [key]: value })
  }

  devices(): Promise<{ devices: Device[] }> {
    return this.json('GET', `${V3}/devices`)
  }

  /** Ends another session. The server wants to see the password again. */
  deleteDevice(device: string, user: string, password: string): Promise<unknown> {
    return this.proven('DELETE', `${V3}/devices/${part(device)}`, {}, user, password)
  }

  /** With a token that the server's own pages gave: after a passkey, or in two steps. */
  loginByToken(token: string, deviceName: string): Promise<Login> {
    return this.json('POST', `${V3}/login`, { type: 'm.login.token', token, device_id: newDevice(), initial_device_display_name: deviceName })
  }

  /** Others are signed out, this session stays. */
  changePassword(user: string, now: string, next: string): Promise<unknown> {
    return this.proven('POST', `${V3}/account/password`, { new_password: next, logout_devices: true }, user, now)
  }

  deactivate(user: string, password: string, erase: boolean): Promise<unknown> {
    return this.proven('POST', `${V3}/account/deactivate`, { erase }, user, password)
  }

  /** What asks for the password once more: the server names a session first. */
  async proven(method: string, path: string, body: Json, user: string, password: string): Promise<unknown> {
    try {
      return await this.json(method, path, body)
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401 || !error.fields['session']) throw error
      const identifier = { type: 'm.id.user', user }
      const auth = { type: 'm.login.password', identifier, password, session: error.fields['session'] }
      return this.json(method, path, { ...body, auth })
    }
  }

  async pushRules(): Promise<Json> {
    return (await this.json<{ global: Json }>('GET', `${V3}/pushrules/`)).global
  }

  /** sub: "enabled" or "actions" of a rule; without it the rule itself, and with no body its end. */
  editRule(kind: string, id: string, sub?: string, body?: Json): Promise<unknown> {
    const path = `${V3}/pushrules/global/${kind}/${part(id)}${sub ? `/${sub}` : ''}`
    return body ? this.json('PUT', path, body) : this.json('DELETE', path)
  }

  setPusher(body: Json): Promise<unknown> {
    return this.json('POST', `${V3}/pushers/set`, body, TWICE)
  }

  webPushKey(): Promise<{ vapid: string }> {
    return this.json('GET', '/_bongsu/v1/webpush')
  }

  accountData(user: string, type: string): Promise<Json> {
    return this.json('GET', `${V3}/user/${part(user)}/account_data/${part(type)}`)
  }

  /** Tells the operator of a message, a room or a person; event: of the room. */
  report(what: { room: string; event?: string } | { user: string }, reason: string): Promise<unknown> {
    const event = 'user' in what || !what.event ? '' : `/${part(what.event)}`
    const path = 'user' in what ? `/users/${part(what.user)}/report` : `/rooms/${part(what.room)}/report${event}`
    return this.json('POST', `${V3}${path}`, { reason }, TWICE)
  }

  /** All that the server keeps of oneself, as a file that comes in pieces. */
  ownData(signal: AbortSignal): Promise<Response> {
    return this.ask('GET', '/_bongsu/v1/account/export', undefined, { timeoutMs: 60_000 }, signal)
  }

  async wellKnown(): Promise<Json> {
    return this.json('GET', '/.well-known/matrix/client', undefined, { again: 'beside' })
  }

  // --- sync ---

  sync(since: string | null, waits: boolean, signal: AbortSignal): Promise<SyncReply> {
    const query = new URLSearchParams({ filter: JSON.stringify(FILTER), set_presence: 'online' })
    if (since) query.set('since', since)
    if (since && waits) query.set('timeout', String(SYNC_MS))
    const timeoutMs = since ? SYNC_MS + SYNC_GRACE_MS : 60_000
    return this.json('GET', `${V3}/sync?${query}`, undefined, { timeoutMs }, signal)
  }

  // --- rooms ---

  createRoom(body: Json): Promise<{ room_id: string }> {
    return this.json('POST', `${V3}/createRoom`, body)
  }

  join(roomOrAlias: string): Promise<{ room_id: string }> {
    return this.json('POST', `${V3}/join/${part(roomOrAlias)}`, {}, TWICE)
  }

  leave(room: string): Promise<unknown> {
    return this.json('POST', `${this.room(room)}/leave`, {}, TWICE)
  }

  /** The room as if one had never been there; one has to have left. */
  forget(room: string): Promise<unknown> {
    return this.json('POST', `${this.room(room)}/forget`, {}, TWICE)
  }

  /** Removes somebody, so that they may come back; with ban, so that they may not; with unban, so that they may again. */
  remove(how: 'kick' | 'ban' | 'unban', room: string, user: string): Promise<unknown> {
    return this.json('POST', `${this.room(room)}/${how}`, { user_id: user }, TWICE)
  }

  /** Everybody of one membership, as state events. */
  membersWho(membership: string, room: string): Promise<EventPage> {
    return this.json('GET', `${this.room(room)}/members?membership=${membership}`, undefined, { again: 'beside' })
  }

  state(room: string, type: string): Promise<Json> {
    return this.json('GET', `${this.room(room)}/state/${part(type)}/`, undefined, { again: 'beside' })
  }

  setState(room: string, type: string, content: Json): Promise<unknown> {
    return this.json('PUT', `${this.room(room)}/state/${part(type)}/`, content)
  }

  // --- single events, and what stands around them ---

  event(room: string, event: string): Promise<RawEvent> {
    return this.json('GET', `${this.room(room)}/event/${part(event)}`, undefined, { again: 'beside' })
  }

  context(room: string, event: string, limit: number): Promise<Context> {
    const filter = JSON.stringify({ lazy_load_members: true })
    return this.json('GET', `${this.room(room)}/context/${part(event)}?${new URLSearchParams({ limit: String(limit), filter })}`, undefined, { again: 'beside' })
  }

  /** The event nearest to a moment: the first one after it ("f") or the last one before ("b"). */
  eventAt(room: string, ts: number, dir: 'f' | 'b'): Promise<{ event_id: string }> {
    return this.json('GET', `${V1}/rooms/${part(room)}/timestamp_to_event?ts=${ts}&dir=${dir}`, undefined, { again: 'beside' })
  }

  /** What relates to an event, newest first; with what relates to that, if the kind of relation is left open. */
  relations(room: string, event: string, limit: number, from?: string, kind?: string): Promise<EventPage> {
    const query = new URLSearchParams({ dir: 'b', limit: String(limit), ...(from && { from }), ...(!kind && { recurse: 'true' }) })
    const path = `${V1}/rooms/${part(room)}/relations/${part(event)}${kind ? `/${kind}` : ''}`
    return this.json('GET', `${path}?${query}`, undefined, { again: 'beside' })
  }

  /** The first messages of a room's threads; those come first in which somebody spoke last. */
  threads(room: string, from?: string): Promise<EventPage> {
    const query = new URLSearchParams({ limit: '30', ...(from && { from }) })
    return this.json('GET', `${V1}/rooms/${part(room)}/threads?${query}`, undefined, { again: 'beside' })
  }

  invite(room: string, user: string): Promise<unknown> {
    return this.json('POST', `${this.room(room)}/invite`, { user_id: user }, TWICE)
  }

  members(room: string): Promise<{ joined: Record<string, { display_name?: string; avatar_url?: string }> }> {
    return this.json('GET', `${this.room(room)}/joined_members`, undefined, { again: 'beside' })
  }

  messages(room: string, from: string, limit: number, dir: 'b' | 'f' = 'b'): Promise<{ chunk: RawEvent[]; end?: string; state?: RawEvent[] }> {
    const filter = JSON.stringify({ lazy_load_members: true })
    const query = new URLSearchParams({ dir, from, limit: String(limit), filter })
    return this.json('GET', `${this.room(room)}/messages?${query}`, undefined, { again: 'beside' })
  }

  /** Messages of a room that carry a file, newest first. */
  files(room: string, from: string | undefined): Promise<{ chunk: RawEvent[]; end?: string }> {
    const filter = JSON.stringify({ types: ['m.room.message'], contains_url: true, lazy_load_members: true })
    const query = new URLSearchParams({ dir: 'b', limit: '50', filter, ...(from && { from }) })
    return this.json('GET', `${this.room(room)}/messages?${query}`, undefined, { again: 'beside' })
  }

  /** Messages of some rooms, or of all, that hold the words, newest first. */
  async find(words: string, rooms: readonly string[] | undefined, from: string | undefined): Promise<{ chunk: RawEvent[]; end?: string }> {
    const filter = { types: ['m.room.message'], ...(rooms && { rooms }), limit: 50 }
    const event_context = { before_limit: 0, after_limit: 0 }
    const body = { search_categories: { room_events: { search_term: words, keys: ['content.body'], order_by: 'recent', filter, event_context } } }
    const path = `${V3}/search${from ? `?next_batch=${part(from)}` : ''}`
    const told = await this.json<{ search_categories: { room_events: { results: { result: RawEvent }[]; next_batch?: string } } }>('POST', path, body, TWICE)
    const { results, next_batch: end } = told.search_categories.room_events
    return { chunk: results.map((found) => found.result), ...(end !== undefined && { end }) }
  }

  send(room: string, type: string, txn: string, content: Json): Promise<{ event_id: string }> {
    return this.json('PUT', `${this.room(room)}/send/${part(type)}/${part(txn)}`, content, { again: 'beside' })
  }

  /** The event that a transaction id of another device of mine became; undefined: none. */
  async sent(room: string, type: string, device: string, txn: string): Promise<string | undefined> {
    const path = `${BONGSU}/sent/${[room, type, device, txn].map(part).join('/')}`
    try {
      return (await this.json<{ event_id: string }>('GET', path, undefined, { again: 'beside' })).event_id
    } catch (error) {
      if (error instanceof Refused && error.code === 'M_NOT_FOUND') return undefined
      throw error
    }
  }

  redact(room: string, event: string, txn: string): Promise<{ event_id: string }> {
    return this.json('PUT', `${this.room(room)}/redact/${part(event)}/${part(txn)}`, {}, { again: 'beside' })
  }

  read(room: string, event: string): Promise<unknown> {
    return this.json('POST', `${this.room(room)}/read_markers`, { 'm.fully_read': event, 'm.read': event }, TWICE)
  }

  /** The same of one thread alone; "main" is what stands in none. */
  async readIn(thread: string, room: string, event: string): Promise<unknown> {
    if (thread === 'main') await this.json('POST', `${this.room(room)}/read_markers`, { 'm.fully_read': event }, TWICE)
    return this.json('POST', `${this.room(room)}/receipt/m.read/${part(event)}`, { thread_id: thread }, TWICE)
  }

  typing(room: string, user: string, is: boolean): Promise<unknown> {
    const body = is ? { typing: true, timeout: 8_000 } : { typing: false }
    return this.json('PUT', `${this.room(room)}/typing/${part(user)}`, body)
  }

  searchPeople(term: string): Promise<{ results: Person[] }> {
    return this.json('POST', `${V3}/user_directory/search`, { search_term: term, limit: 20 }, TWICE)
  }

  setAccountData(user: string, type: string, content: Json): Promise<unknown> {
    return this.json('PUT', `${V3}/user/${part(user)}/account_data/${part(type)}`, content)
  }

  /** A room that makes no sound: a push rule of the server, so that it holds for every client. */
  mute(room: string, is: boolean): Promise<unknown> {
    const path = `${V3}/pushrules/global/room/${part(room)}`
    return is ? this.json('PUT', path, { actions: [] }) : this.json('DELETE', path)
  }

  // --- media ---

  createMedia(): Promise<{ content_uri: string }> {
    return this.json('POST', '/_matrix/media/v1/create', {}, TWICE)
  }

  /** Resolves when a server has it on disk. A site that cannot take it now is passed over. */
  async upload(uri: string, file: Blob, progress: (share: number) => void, signal: AbortSignal): Promise<void> {
    const way = new Upload(`Bearer ${this.token}`, mediaPath(uri) ?? '', file, progress, signal)
    let refused: unknown = new Unreachable('there is no site')
    for (const site of this.sites.order()) {
      try {
        return await way.at(site.url)
      } catch (error) {
        if (error instanceof Cut) this.sites.failed(site)
        if (!(error instanceof Refused) || !BUSY.has(error.status)) throw error
        refused = error
      }
    }
    throw refused
  }

  /** The bytes of a file; with a size, of a small picture of it. */
  async media(uri: string, size?: { width: number; height: number }): Promise<Blob> {
    const path = mediaPath(uri)
    if (path === null) throw new Refused(404, 'M_NOT_FOUND', 'this is no address of a file')
    const query = size ? `?width=${size.width}&height=${size.height}&method=scale` : ''
    const asking = { again: 'beside', timeoutMs: 60_000 } as const
    const reply = await this.ask('GET', `${MEDIA}/${size ? 'thumbnail' : 'download'}/${path}${query}`, undefined, asking)
    return reply.blob()
  }

  // --- Bongsu's own interface: see services.ts ---

  service<T>(method: string, path: string, body?: Json): Promise<T> {
    return this.json(method, path, body, { again: method === 'GET' ? 'beside' : 'never' })
  }

  /** A write that happens once, however often and wherever it is sent with this key. */
  intend<T>(method: string, path: string, body: Json | undefined, key: string): Promise<T> {
    return this.json(method, path, body, { again: 'beside' }, undefined, { 'idempotency-key': key })
  }

  async serviceFile(path: string): Promise<Blob> {
    return (await this.ask('GET', path, undefined, { again: 'beside', timeoutMs: 60_000 })).blob()
  }

  // --- the way ---

  /** A request that has no name of its own here, because few screens make it. */
  call<T = Json>(method: string, path: string, body?: Json, asking?: Asking): Promise<T> {
    return this.json(method, path, body, asking)
  }

  private room(room: string): string {
    return `${V3}/rooms/${part(room)}`
  }

  private async json<T>(method: string, path: string, body?: Json, asking?: Asking, signal?: AbortSignal, more?: Record<string, string>): Promise<T> {
    const reply = await this.ask(method, path, body, asking, signal, more)
    return (await reply.json().catch(() => Promise.reject(new Unreachable('this is no answer of a server of Matrix')))) as T
  }

  private async ask(method: string, path: string, body?: Json, asking: Asking = {}, signal?: AbortSignal, more: Record<string, string> = {}): Promise<Response> {
    const headers: Record<string, string> = { ...more }
    if (this.token && /^\/_(matrix|bongsu)\//.test(path)) headers['authorization'] = `Bearer ${this.token}`
    if (body) headers['content-type'] = 'application/json'
    const init: RequestInit = { method, headers, ...(body && { body: JSON.stringify(body) }), ...(signal && { signal }) }
    const again = asking.again ?? (method === 'POST' ? 'never' : 'after')
    const reply = await this.sites.ask(path, init, { ...asking, again })
    if (reply.ok) return reply
    const error = refusedBy(reply.status, reply.headers.get('retry-after'), parsed(await reply.text()))
    if (error.code === 'M_UNKNOWN_TOKEN' && this.token) this.onSignedOut()
    throw error
  }
}

/** Named here, so that a sign-in whose answer was lost is not a second device when it is made again. */
export const newDevice = (): string => Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => String.fromCharCode(65 + (byte % 26))).join('')

const EASY = 'm.login.dummy'
const TOKEN = 'm.login.registration_token'
const cost = (stages: string[]): number => stages.length + (stages.includes(TOKEN) ? 10 : 0)

/** What to send next in an interactive sign-up; throws what cannot be answered. */
export function nextStage(error: unknown, token: string): Json {
  if (!(error instanceof Refused) || error.status !== 401 || !Array.isArray(error.fields['flows'])) throw error
  if (error.fields['errcode']) throw error
  const done = (error.fields['completed'] ?? []) as string[]
  const flows = error.fields['flows'] as { stages: string[] }[]
  const known = flows.map((flow) => flow.stages).filter((stages) => stages.every((stage) => stage === EASY || stage === TOKEN))
  const stages = known.toSorted((left, right) => cost(left) - cost(right))[0]
  const stage = stages?.find((one) => !done.includes(one))
  if (stage === TOKEN && !token) throw new Refused(401, 'BONGSU_TOKEN_WANTED', 'an invitation code is needed')
  if (!stage) throw new Refused(401, 'M_UNRECOGNIZED', 'this server asks for something that this client cannot do')
  return { type: stage, session: error.fields['session'], ...(stage === TOKEN && { token }) }
}
