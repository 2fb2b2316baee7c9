import type { Json } from '../net/matrix'
import { pollIn, type Selected } from './poll'
import { unforced } from './straight'

/** What a message says of a file. */
export interface FileInfo {
  size?: number
  w?: number
  h?: number
  mimetype?: string
  /** in milliseconds */
  duration?: number
  'xyz.amorgan.blurhash'?: string
  thumbnail_url?: string
  thumbnail_file?: SecretFile
  thumbnail_info?: { mimetype?: string }
}

/** How a recording sounds: loudness from 0 to 1024, evenly over its time. */
export interface Sound {
  duration?: number
  waveform?: number[]
}

/** What opens an encrypted file: its key, where the count begins, and its hash. */
export interface FileKey {
  v?: string
  key: Json & { k: string }
  iv: string
  hashes: { sha256: string }
}

/** An encrypted file as a message names it. */
export interface SecretFile {
  url?: string
  iv?: string
  key?: { k?: string }
  hashes?: { sha256?: string }
}

export interface Relation {
  rel_type?: string
  event_id?: string
  key?: string
  'm.in_reply_to'?: { event_id?: string }
  /** the answer is there for clients that know no threads */
  is_falling_back?: boolean
}

export interface Mentions {
  user_ids?: string[]
  room?: boolean
}

export interface Wording {
  body?: string
  msgtype?: string
  format?: string
  formatted_body?: string
  url?: string
  file?: SecretFile
  filename?: string
  info?: FileInfo
  /** present where somebody spoke it into their device */
  'org.matrix.msc3245.voice'?: object
  'org.matrix.msc1767.audio'?: Sound
  'm.mentions'?: Mentions
}

/** What this client reads of an event's content. Anybody may send anything, so each member is of its type or not there. */
export interface Content extends Wording, Selected {
  'm.relates_to'?: Relation
  'm.new_content'?: Wording
  membership?: string
  displayname?: string
  avatar_url?: string
  is_direct?: boolean
  name?: string
  topic?: string
  alias?: string
  join_rule?: string
  redacts?: string
  /** what a bed board, booking and channels say of themselves beside their words */
  'io.bongsu.board'?: { what?: string; request_id?: string }
  'bongsu.booking'?: { offer_id?: string }
  'bongsu.channel'?: { about?: string; channel_id?: string; conversation_id?: string }
  pinned?: string[]
  room_version?: string
  additional_creators?: string[]
}

const LEVELS = { users_default: 'number', events_default: 'number', state_default: 'number', invite: 'number', redact: 'number', kick: 'number', ban: 'number' } as const

export type Powers = { users: Record<string, number>; events?: Record<string, number>; notifyRoom?: number } & { [key in keyof typeof LEVELS]?: number }

type Shape = { readonly [key: string]: 'string' | 'number' | 'boolean' | 'numbers' | 'strings' | Shape }

const SECRET_FILE: Shape = { url: 'string', iv: 'string', key: { k: 'string' }, hashes: { sha256: 'string' } }

const WORDING: Shape = {
  body: 'string',
  msgtype: 'string',
  format: 'string',
  formatted_body: 'string',
  url: 'string',
  file: SECRET_FILE,
  filename: 'string',
  info: { size: 'number', w: 'number', h: 'number', mimetype: 'string', duration: 'number', 'xyz.amorgan.blurhash': 'string', thumbnail_url: 'string', thumbnail_file: SECRET_FILE, thumbnail_info: { mimetype: 'string' } },
  'org.matrix.msc3245.voice': {},
  'org.matrix.msc1767.audio': { duration: 'number', waveform: 'numbers' },
  'm.mentions': { user_ids: 'strings', room: 'boolean' },
}

const CONTENT: Shape = {
  ...WORDING,
  'm.relates_to': { rel_type: 'string', event_id: 'string', key: 'string', 'm.in_reply_to': { event_id: 'string' }, is_falling_back: 'boolean' },
  'm.new_content': WORDING,
  membership: 'string',
  displayname: 'string',
  avatar_url: 'string',
  is_direct: 'boolean',
  name: 'string',
  topic: 'string',
  alias: 'string',
  join_rule: 'string',
  redacts: 'string',
  'io.bongsu.board': { what: 'string', request_id: 'string' },
  'bongsu.booking': { offer_id: 'string' },
  'bongsu.channel': { about: 'string', channel_id: 'string', conversation_id: 'string' },
  pinned: 'strings',
  room_version: 'string',
  additional_creators: 'strings',
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

function read(shape: Shape, value: unknown): Json | undefined {
  if (!isObject(value)) return undefined
  const found: Json = {}
  for (const [key, wanted] of Object.entries(shape)) {
    const given = value[key]
    const good = typeof wanted === 'object' ? read(wanted, given) : wanted in LISTS ? LISTS[wanted as keyof typeof LISTS](given) : typeof given === wanted ? plain(given) : undefined
    if (good !== undefined) found[key] = good
  }
  return found
}

const plain = (given: unknown): unknown => (typeof given === 'string' ? unforced(given) : given)

const NUMBERS_MAX = 1_024 // nobody draws a longer waveform

const numbers = (value: unknown): number[] | undefined =>
  Array.isArray(value) && value.length <= NUMBERS_MAX && value.every((one) => Number.isFinite(one)) ? value : undefined

const strings = (given: unknown): string[] | undefined => (Array.isArray(given) ? given.filter((one) => typeof one === 'string') : undefined)

const LISTS = { numbers, strings } as const

/** The one place where what others sent becomes what this client works with. */
export const contentOf = (raw: unknown): Content => ({ ...read(CONTENT, raw), ...(isObject(raw) && pollIn(raw)) })

const levels = (raw: unknown): Record<string, number> =>
  Object.fromEntries(Object.entries(isObject(raw) ? raw : {}).filter((entry): entry is [string, number] => typeof entry[1] === 'number'))

export function powersOf(raw: unknown): Powers {
  const told = isObject(raw) ? raw : {}
  const powers: Powers = { ...read(LEVELS, told), users: levels(told['users']), events: levels(told['events']) }
  const { room } = levels(told['notifications'])
  if (room !== undefined) powers.notifyRoom = room
  return powers
}

/** Account data: people, and their rooms. */
export function listsOf(raw: unknown): Record<string, string[]> {
  if (!isObject(raw)) return {}
  const lists = Object.entries(raw).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]))
  return Object.fromEntries(lists.map(([key, list]) => [key, list.filter((one) => typeof one === 'string')]))
}
