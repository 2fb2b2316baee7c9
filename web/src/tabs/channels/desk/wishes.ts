import type { Act } from '../../../data/channelDesk'
import type { Client } from '../../../data/client'
import type { Intent } from '../../../data/intents'
import { localpart } from '../../../data/rooms'
import { intent } from '../../../data/service'
import type { NewMessage, Settle } from '../../../net/interface'
import type { Body } from '../../../net/services'
import { orSay } from '../../../ui/errors'
import { whyOf } from '../../services/Parts'
import { w } from './words'

const CHANNEL = '/_bongsu/v1/channels/{channel_id}'
const DESK = `${CHANNEL}/desk`
const TALK = `${DESK}/conversations/{conversation_id}`

/** All that is wanted at one desk. */
export const laneOf = (channel: string): string => `desk ${channel} `

/** With one customer things happen in the order in which they were wanted: it is taken before it is answered. */
export const talkLane = (channel: string, talk: string): string => `${laneOf(channel)}talk ${talk} `
const settingsLane = (channel: string): string => `${laneOf(channel)}settings `
const repliesLane = (channel: string): string => `${laneOf(channel)}replies `

export const isOfReplies = (intent: Intent): boolean => intent.lane.endsWith('replies ')
export const isOfSettings = (intent: Intent): boolean => intent.lane.endsWith('settings ')

export function act(client: Client, channel_id: string, conversation_id: string, act: Exclude<Act, 'give'>): void {
  orSay(client.intend(intent(`POST ${TALK}/${act}`, { channel_id, conversation_id }, undefined, talkLane(channel_id, conversation_id))))
}

export function give(client: Client, channel_id: string, conversation_id: string, agent: string): void {
  orSay(client.intend(intent(`POST ${TALK}/give`, { channel_id, conversation_id }, { agent }, talkLane(channel_id, conversation_id))))
}

/** Resolves when it is on disk, and will be sent. */
export async function answer(client: Client, channel_id: string, conversation_id: string, said: NewMessage, takes: boolean): Promise<void> {
  const of = { channel_id, conversation_id }
  const lane = talkLane(channel_id, conversation_id)
  if (takes) await client.intend(intent(`POST ${TALK}/take`, of, undefined, lane))
  await client.intend(intent(`POST ${TALK}/messages`, of, said, lane))
}

export async function note(client: Client, channel_id: string, conversation_id: string, body: string): Promise<void> {
  await client.intend(intent(`POST ${TALK}/notes`, { channel_id, conversation_id }, { body }, talkLane(channel_id, conversation_id)))
}

export function keepReply(client: Client, channel_id: string, body: Body<`POST ${typeof DESK}/replies`>, reply_id?: string): void {
  const lane = repliesLane(channel_id)
  if (reply_id === undefined) orSay(client.intend(intent(`POST ${DESK}/replies`, { channel_id }, body, lane)))
  else orSay(client.intend(intent(`PUT ${DESK}/replies/{reply_id}`, { channel_id, reply_id }, body, lane)))
}

export const dropReply = (client: Client, channel_id: string, reply_id: string): void =>
  orSay(client.intend(intent(`DELETE ${DESK}/replies/{reply_id}`, { channel_id, reply_id }, undefined, repliesLane(channel_id))))

export const settle = (client: Client, channel_id: string, body: Settle): void =>
  orSay(client.intend(intent(`PUT ${DESK}`, { channel_id }, body, settingsLane(channel_id))))

export const setHours = (client: Client, channel_id: string, hours: Body<`PUT ${typeof CHANNEL}`>['hours']): void =>
  orSay(client.intend(intent(`PUT ${CHANNEL}`, { channel_id }, { hours: hours ?? [] }, settingsLane(channel_id))))

const lastOf = (intent: Intent): string => intent.what.split('/').at(-1)!

/** "messages" and "notes" are shown where they will stand, all else above. */
export const isSaid = (intent: Intent): boolean => ['messages', 'notes'].includes(lastOf(intent))
export const isNote = (intent: Intent): boolean => lastOf(intent) === 'notes'
export const wordsIn = (intent: Intent): string => String(intent.body?.['body'] ?? '')

/** What an intent wants, in words. */
export const intentName = (intent: Intent): string => (intent.method === 'DELETE' ? w().dropReply : (w().doing[lastOf(intent)] ?? lastOf(intent)))

/** Why it was refused, and what to do. */
export function whyNot(intent: Intent): string {
  const { code = 'other', fields = {} } = intent.error ?? {}
  if (code === 'BONGSU_TAKEN' && typeof fields['agent'] === 'string') return w().takenBy(localpart(fields['agent']))
  if (code === 'M_FORBIDDEN' && lastOf(intent) === 'messages') return w().blockedUs
  return w().errors[code] ?? whyOf(intent)
}
