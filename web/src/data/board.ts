import type { BoardSaid, RequestSaid, WholeBoard } from '../net/interface'
import type { Entry } from './types'

/** The pure part of a bed board's screen. Times in ms; `now` is the server's. */
export type Request = RequestSaid
export type Act = WholeBoard['may'][number]
export type Sort = 'waited' | 'deadline' | 'severity'
export type Show = 'open' | 'waiting' | 'offered' | 'accepted' | 'arrived' | 'late' | 'mine'

export const KINDS = ['icu', 'isolation', 'dialysis', 'birth', 'children', 'newborn', 'burns', 'psychiatric', 'emergency', 'ward'] as const
const SEVERITIES: readonly Request['severity'][] = ['critical', 'urgent', 'ordinary']
const SOON = 0.25

/** What people say on the telephone. */
export const numberOf = (request: { number: number }): string => `#${request.number}`

export const isUnanswered = (request: Request): boolean => request.state === 'waiting' || request.state === 'offered'

/** How long it has waited by now; null once it is answered. */
export const waitedOf = (request: Request, now: number): number | null => (isUnanswered(request) ? Math.max(0, now - request.waiting_since) : null)

/** late: past its deadline; soon: the last quarter of its time. */
export function urgencyOf(request: Request, now: number): 'late' | 'soon' | 'calm' {
  if (!isUnanswered(request)) return 'calm'
  if (now >= request.deadline) return 'late'
  return request.deadline - now < SOON * Math.max(1, request.deadline - request.waiting_since) ? 'soon' : 'calm'
}

const waits = (left: Request, right: Request): number =>
  Number(!isUnanswered(left)) - Number(!isUnanswered(right)) || left.waiting_since - right.waiting_since || (left.request_id < right.request_id ? -1 : 1)

const ORDERS: Record<Sort, (left: Request, right: Request) => number> = {
  waited: waits,
  deadline: (left, right) => Number(!isUnanswered(left)) - Number(!isUnanswered(right)) || left.deadline - right.deadline || waits(left, right),
  severity: (left, right) =>
    Number(!isUnanswered(left)) - Number(!isUnanswered(right)) || SEVERITIES.indexOf(left.severity) - SEVERITIES.indexOf(right.severity) || waits(left, right),
}

function isShown(request: Request, show: Show, me: string, now: number): boolean {
  if (show === 'open') return true
  if (show === 'mine') return isUnanswered(request) && request.owner === me
  return show === 'late' ? urgencyOf(request, now) === 'late' : request.state === show
}

const saidOf = (request: Request): string =>
  [numberOf(request), request.patient, request.place.area, request.owner, request.hospital, request.note, ...request.needs].join(' ').toLocaleLowerCase()

/** Who waits longest first, unless another order is wanted. words: all must be there. */
export function listed(requests: readonly Request[], want: { show: Show; words: string; sort: Sort; me: string; now: number }): Request[] {
  const words = want.words.toLocaleLowerCase().split(/\s+/).filter(Boolean)
  const found = requests.filter((request) => isShown(request, want.show, want.me, want.now) && words.every((word) => saidOf(request).includes(word)))
  return found.toSorted(ORDERS[want.sort])
}

/** The open ones after some were looked at again. asked: their ids; whose answer is missing is gone. */
export function merged(before: readonly Request[], asked: readonly string[], fresh: readonly Request[]): Request[] {
  const kept = before.filter((request) => !asked.includes(request.request_id))
  return [...kept, ...fresh.filter((request) => request.state !== 'closed')].toSorted(waits)
}

/** Boards where people wait, who waits longest first; then the others by name. */
export const boardsListed = (boards: readonly BoardSaid[]): BoardSaid[] =>
  boards.toSorted((left, right) => (left.since ?? Infinity) - (right.since ?? Infinity) || left.title.localeCompare(right.title) || (left.room_id < right.room_id ? -1 : 1))

/** What events of a room say of its board. all: more than can be named. */
export function newsOf(entries: readonly Entry[], room: string): { ids: string[]; all: boolean; beds: boolean; people: boolean } {
  const said = entries.flatMap((entry) => (entry.room === room && entry.content['io.bongsu.board'] ? [entry.content['io.bongsu.board']] : []))
  return {
    ids: [...new Set(said.flatMap((one) => one.request_id ?? []))],
    all: said.some((one) => one.what === 'lost' || one.what === 'create'),
    beds: said.length > 0,
    people: said.some((one) => one.what === 'appoint'),
  }
}

const STEPS: Partial<Record<Act, readonly Request['state'][]>> = {
  assign: ['waiting'],
  accept: ['offered'],
  decline: ['offered'],
  arrive: ['accepted'],
  transfer: ['accepted', 'arrived'],
  close: ['waiting', 'offered', 'accepted', 'arrived'],
}

/** What this person may do with a request now, the next step first. */
export function actsOf(request: Request, board: Pick<WholeBoard, 'role' | 'may' | 'hospital'>, me: string): Act[] {
  const isOwnHospital = board.role !== 'provider' || request.hospital === board.hospital
  const isOwnRequest = board.role !== 'requester' || request.requested_by === me
  const speaks: Partial<Record<Act, boolean>> = { accept: isOwnHospital, decline: isOwnHospital, transfer: isOwnHospital, arrive: isOwnHospital && isOwnRequest, close: isOwnRequest }
  return (Object.keys(STEPS) as Act[]).filter((act) => board.may.includes(act) && STEPS[act]!.includes(request.state) && speaks[act] !== false)
}

/** 0:42, 12:05, 3:05:12 */
export function clockOf(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  const two = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes, rest] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}

export interface Bar {
  /** up to so long; null: longer than all */
  upTo: number | null
  ended: number
  waiting: number
}

/** The bars of a distribution, without those at its ends where nobody is. */
export function barsOf(stats: { bins_ms: number[]; counts: number[]; waiting_counts: number[] }): Bar[] {
  const bars = stats.counts.map((ended, at) => ({ upTo: stats.bins_ms[at] ?? null, ended, waiting: stats.waiting_counts[at] ?? 0 }))
  const isFilled = ({ ended, waiting }: Bar) => ended + waiting > 0
  const last = bars.findLastIndex(isFilled)
  return last < 0 ? [] : bars.slice(Math.max(0, bars.findIndex(isFilled) - 1), last + 1)
}

/** Kinds of beds as they were typed: short words in small letters. */
export const kindsOf = (typed: string): string[] => [...new Set(typed.toLowerCase().split(/[\s,]+/).filter(Boolean))]
