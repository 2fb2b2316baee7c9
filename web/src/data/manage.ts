import type { AudienceSaid, AuditEntry, BroadcastSaid, ChannelSaid, EndpointSaid, Kind, NewTemplate, Role, TextSaid, Variable, VersionSaid } from '../net/interface'

/** The pure part of the pages of those who work for a channel. Times in ms; `now` is the server's. */

export type Section = 'home' | 'posts' | 'broadcasts' | 'templates' | 'followers' | 'desk' | 'staff' | 'mark' | 'keys' | 'webhooks' | 'record' | 'close'

const ALL: readonly Role[] = ['owner', 'editor', 'agent']
const EDITORS: readonly Role[] = ['owner', 'editor']
const OWNER: readonly Role[] = ['owner']

/** Each section in the order in which it is listed, and for whom there is something in it. The server decides in the end. */
const FOR: Readonly<Record<Section, readonly Role[]>> = {
  desk: ['owner', 'agent'],
  broadcasts: EDITORS,
  posts: EDITORS,
  home: EDITORS,
  followers: EDITORS,
  templates: ALL,
  staff: ALL,
  mark: ALL,
  keys: OWNER,
  webhooks: OWNER,
  record: OWNER,
  close: OWNER,
}

export const roleOf = (channel: ChannelSaid | undefined): Role | undefined => channel?.mine?.role ?? undefined

export const sectionsFor = (role: Role): Section[] => (Object.keys(FOR) as Section[]).filter((section) => FOR[section].includes(role))

export const mayWrite = (role: Role | undefined): boolean => role === 'owner' || role === 'editor'

// --- broadcasts ---

/** What followers read at the beginning and the end of advertising; the server puts it there, and nobody else. */
export const ADVERTISING = '(광고)'
const REFUSE = '무료수신거부: 🚫 반응 또는 !거부 · To refuse advertising: react 🚫 or say !refuse'
const MARKED = [ADVERTISING, '[광고]', '<광고>']

export interface Written {
  body: string
  advertising: boolean
  buttons: readonly { label: string; url: string }[]
}

/** Does a text call itself advertising, so that it must be sent as such? */
export const callsItselfAdvertising = (body: string): boolean => MARKED.some((mark) => body.replaceAll(' ', '').startsWith(mark))

/** The message as each follower will read it. */
export function shownTo(channel: string, written: Written): string {
  const body = written.body.trim()
  const lines = [written.advertising && body.startsWith(ADVERTISING) ? body.slice(ADVERTISING.length).trim() : body, ...written.buttons.map(({ label, url }) => `${label}: ${url}`)]
  return (written.advertising ? [`${ADVERTISING} ${channel}`, ...lines, '', REFUSE] : lines).join('\n')
}

export const reached = (audience: AudienceSaid, advertising: boolean): number => (advertising ? audience.advertising : audience.followers)

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const KOREA_MS = 9 * HOUR_MS
const MORNING_MS = 8 * HOUR_MS
const NIGHT_MS = 21 * HOUR_MS

/** When the night, in which advertising is held, is over; undefined by day. Hours are those of Korea. */
export function morningAfter(at: number): number | undefined {
  const midnight = Math.floor((at + KOREA_MS) / DAY_MS) * DAY_MS - KOREA_MS
  const within = at - midnight
  if (within >= MORNING_MS && within < NIGHT_MS) return undefined
  return midnight + (within >= NIGHT_MS ? DAY_MS : 0) + MORNING_MS
}

/** How many of those whose turn is in the night wait for the morning. */
export const heldAtNight = (audience: AudienceSaid): number => audience.advertising - audience.advertising_at_night

export const isLive = ({ state }: { state: BroadcastSaid['state'] }): boolean => state === 'running' || state === 'scheduled'

/** From 0 to 1; of one that has not begun, and of one to nobody, nothing is known. */
export function shareOf({ state, audience = 0, sent = 0, refused = 0 }: BroadcastSaid): number {
  if (state === 'done') return 1
  return audience > 0 ? Math.min(1, (sent + refused) / audience) : 0
}

/** ms until the next look: what runs is watched. */
export function paceOf(shown: readonly { state: BroadcastSaid['state']; starts_at: number }[], now: number): number {
  if (shown.some(({ state }) => state === 'running')) return 1_500
  const next = Math.min(...shown.filter(({ state }) => state === 'scheduled').map(({ starts_at }) => starts_at - now))
  return Math.max(1_500, Math.min(30_000, next))
}

export const isHttps = (url: string): boolean => /^https:\/\/[^\s/]+\S*$/.test(url)

// --- templates ---

export type Text = Pick<NewTemplate, 'body' | 'variables' | 'buttons'>

const PLACE = /#\{([^{}]*)\}/g
const NAME = /^[\p{L}_][\p{L}\p{N}_]{0,29}$/u

/** The names of variables in the order in which they are used, each once. */
export function variablesIn(text: Pick<NewTemplate, 'body' | 'buttons'>): string[] {
  const texts = [text.body, ...(text.buttons ?? []).map((button) => button.url ?? '')]
  return [...new Set(texts.flatMap((one) => [...one.matchAll(PLACE)].map((match) => match[1]!)))]
}

/** The variables that a text uses now: known ones keep their kind, new ones are plain text, others are gone. */
export function variablesOf(text: Pick<NewTemplate, 'body' | 'buttons'>, known: readonly Variable[]): Variable[] {
  const before = new Map(known.map((variable) => [variable.name, variable]))
  return variablesIn(text).map((name) => before.get(name) ?? { name, kind: 'text', characters_max: 50 })
}

export const isVariableName = (name: string): boolean => NAME.test(name)

const EXAMPLES: Record<Kind, string> = { text: '', number: '3', amount: '12,000', date: '2026-11-26', time: '14:30', code: 'A-1024' }

/** A text with an example in each place, as somebody will read it. */
export function exampleOf(text: string, variables: readonly Variable[]): string {
  const kinds = new Map(variables.map(({ name, kind }) => [name, kind ?? 'text']))
  return text.replace(PLACE, (_, name: string) => EXAMPLES[kinds.get(name) ?? 'text'] || name)
}

export type Step = 'submit' | 'withdraw' | 'retire' | 'edit'

/** What can be done with a template, by the state of its newest version. hasApproved: an older one is still sent. */
export function stepsOf(state: VersionSaid['state'], hasApproved: boolean): Step[] {
  const steps: Record<VersionSaid['state'], Step[]> = { draft: ['submit', 'edit'], submitted: ['withdraw'], approved: ['edit', 'retire'], refused: ['edit'], retired: ['edit'] }
  return hasApproved && state !== 'approved' ? [...steps[state], 'retire'] : steps[state]
}

// --- programs ---

export const SCOPES = ['templates:send', 'desk:bot', 'webhooks:manage'] as const
export const EVENTS = [
  'message.received',
  'message.read',
  'conversation.changed',
  'follower.added',
  'follower.removed',
  'broadcast.finished',
  'template.decided',
] as const

export type Condition = 'new' | 'well' | 'failing' | 'disabled'

export function conditionOf(endpoint: EndpointSaid): Condition {
  if (endpoint.disabled_ts) return 'disabled'
  if (endpoint.failing_since) return 'failing'
  return endpoint.taken_ts ? 'well' : 'new'
}

// --- consent ---

/** One that was given, and whether it was said to the very words that this server shows now. */
export interface Proof {
  at: number
  action: 'agreed' | 'withdrew'
  consent: string
  how: string
  version: string | undefined
  words: 'same' | 'other' | undefined
}

export const proofsOf = (entries: readonly AuditEntry[], texts: readonly TextSaid[]): Proof[] =>
  entries.map(({ at_ms, deed }) => {
    const told = deed.details as Record<string, string | undefined>
    const hash = told['text_sha256']
    const text = texts.find((one) => one.consent === told['consent'])
    return {
      at: at_ms,
      action: deed.action === 'agreed' ? 'agreed' : 'withdrew',
      consent: told['consent'] ?? '',
      how: told['how'] ?? '',
      version: told['text_version'],
      words: hash === undefined ? undefined : hash === text?.sha256 ? 'same' : 'other',
    }
  })

const LEDGER = ['action', 'consent', 'how', 'text_version', 'text_sha256', 'channel_id', 'channel'] as const

/** One cell: a spreadsheet takes what begins with one of these signs for a formula. */
const cell = (value: string): string => `"${(/^[=+\-@\t\r]/.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`

/** The entries of one person as a file: that it is UTF-8, spreadsheets are told by its first character. */
export function ledgerCsv(user: string, entries: readonly AuditEntry[]): string {
  const rows = entries.map(({ number, at_ms, deed }) => {
    const told: Record<string, unknown> = { action: deed.action, ...deed.details }
    return [String(number), new Date(at_ms).toISOString(), user, ...LEDGER.map((name) => String(told[name] ?? ''))]
  })
  return `\ufeff${[['number', 'at', 'user_id', ...LEDGER], ...rows].map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`
}
