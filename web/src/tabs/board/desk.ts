import type { Accessor } from 'solid-js'
import { numberOf, type Act, type Request } from '../../data/board'
import type { Client } from '../../data/client'
import type { Intent } from '../../data/intents'
import { localpart, memberName } from '../../data/rooms'
import { intent } from '../../data/service'
import type { Body, Operation } from '../../net/services'
import type { WholeBoard } from '../../net/interface'
import { orSay } from '../../ui/errors'
import { w } from './words'

const ROOM = '/_bongsu/v1/boards/{room_id}'
const REQUEST = `${ROOM}/requests/{request_id}`

/** One person at one board. */
export interface Desk {
  client: Client
  room: string
  board: Accessor<WholeBoard>
  /** the server's time */
  now: Accessor<number>
  me: string
  intents: Accessor<Intent[]>
}

export const may = (desk: Desk, act: Act): boolean => desk.board().may.includes(act)

export const laneOf = (room: string): string => `board ${room} `

export const nameOf = (desk: Desk, user: string): string => (user === '' ? w().server : memberName(desk.client.room(desk.room), user) || localpart(user))

const requestLane = (desk: Desk, request: Request): string => `${laneOf(desk.room)}request ${request.request_id} ${numberOf(request)}`

type RequestAct = 'accept' | 'decline' | 'arrive' | 'transfer' | 'close'

/** Wants something done with a request. Of an offer, the one that is seen is meant, and no later one. */
export function actOn(desk: Desk, request: Request, act: RequestAct, reason = ''): void {
  const of = { room_id: desk.room, request_id: request.request_id }
  const meant = request.offer_id === null ? {} : { offer_id: request.offer_id }
  const lane = requestLane(desk, request)
  if (act === 'close') wish(desk, intent(`POST ${REQUEST}/close`, of, { reason }, lane))
  else if (act === 'decline' || act === 'transfer') wish(desk, intent(`POST ${REQUEST}/${act}`, of, { ...meant, reason }, lane))
  else wish(desk, intent(`POST ${REQUEST}/${act}`, of, meant, lane))
}

export function assign(desk: Desk, request: Request, bed_id: string): void {
  const of = { room_id: desk.room, request_id: request.request_id }
  wish(desk, intent(`POST ${REQUEST}/assignment`, of, { bed_id }, requestLane(desk, request)))
}

export function askForBed(desk: Desk, body: Body<'POST /_bongsu/v1/boards/{room_id}/requests'>): void {
  wish(desk, intent(`POST ${ROOM}/requests`, { room_id: desk.room }, body, `${laneOf(desk.room)}ask`))
}

export function publish(desk: Desk, body: Body<'POST /_bongsu/v1/boards/{room_id}/beds'>): void {
  wish(desk, intent(`POST ${ROOM}/beds`, { room_id: desk.room }, body, `${laneOf(desk.room)}bed ${body.bed_id ?? ''}`))
}

export function withdraw(desk: Desk, bed_id: string): void {
  wish(desk, intent(`POST ${ROOM}/beds/{bed_id}/withdraw`, { room_id: desk.room, bed_id }, {}, `${laneOf(desk.room)}bed ${bed_id}`))
}

export function appoint(desk: Desk, user_id: string, body: Body<'PUT /_bongsu/v1/boards/{room_id}/roles/{user_id}'>): void {
  wish(desk, intent(`PUT ${ROOM}/roles/{user_id}`, { room_id: desk.room, user_id }, body, `${laneOf(desk.room)}roles`))
}

export function makeBoard(client: Client, room: string, title: string): void {
  orSay(client.intend(intent(`POST ${ROOM}`, { room_id: room }, { title }, `${laneOf(room)}create`)))
}

const wish = (desk: Desk, draft: Parameters<Client['intend']>[0]): void => orSay(desk.client.intend(draft))

const LANE = / request ([0-9a-f]{16}) (#\d+)$/

/** Which request an intent is about, if any. */
export const requestOfIntent = (intent: Intent): string | undefined => LANE.exec(intent.lane)?.[1]

/** What an intent wants, in words. */
export function intentName(intent: Intent): string {
  const last = (intent.what as Operation).split('/').at(-1)!
  const verb = last === '{room_id}' ? 'create' : last === '{user_id}' ? 'roles' : last
  return [w().acts[verb] ?? w().doing[verb] ?? verb, LANE.exec(intent.lane)?.[2]].filter(Boolean).join(' ')
}
