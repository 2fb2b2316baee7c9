import type { Wish } from '../../data/channel'
import type { Client } from '../../data/client'
import type { Intent } from '../../data/intents'
import { intent } from '../../data/service'
import { orSay } from '../../ui/errors'
import { w } from './words'

const ONE = '/_bongsu/v1/channels/{channel_id}'

/** What a person wants of a channel happens in order: a refusal never comes before the yes that it takes back. */
export const laneOf = (channel: string): string => `channel ${channel} `

export const follow = (client: Client, channel_id: string, text_version: string, wish: Wish): void =>
  orSay(client.intend(intent(`PUT ${ONE}/follow`, { channel_id }, { text_version, ...wish }, laneOf(channel_id))))

type Plain = `DELETE ${typeof ONE}/follow` | `DELETE ${typeof ONE}/advertising` | `PUT ${typeof ONE}/block` | `DELETE ${typeof ONE}/block` | `POST ${typeof ONE}/conversation`

const plainly = (client: Client, of: Plain, channel_id: string): void => orSay(client.intend(intent(of, { channel_id }, undefined, laneOf(channel_id))))

export const unfollow = (client: Client, channel: string): void => plainly(client, `DELETE ${ONE}/follow`, channel)
export const refuse = (client: Client, channel: string): void => plainly(client, `DELETE ${ONE}/advertising`, channel)
export const block = (client: Client, channel: string): void => plainly(client, `PUT ${ONE}/block`, channel)
export const unblock = (client: Client, channel: string): void => plainly(client, `DELETE ${ONE}/block`, channel)
export const talk = (client: Client, channel: string): void => plainly(client, `POST ${ONE}/conversation`, channel)

/** It is offered to this person, who says so of themselves. */
export const takeOver = (client: Client, channel_id: string): void =>
  orSay(client.intend(intent(`PUT ${ONE}/staff/{user_id}`, { channel_id, user_id: client.me }, { role: 'owner' }, laneOf(channel_id))))

export const report = (client: Client, channel_id: string, reason: string): void =>
  orSay(client.intend(intent(`POST ${ONE}/report`, { channel_id }, { reason }, laneOf(channel_id))))

/** What an intent wants, in words. */
export function intentName({ what, method }: Intent): string {
  const last = what.split('/').at(-1)!
  const verb = method === 'DELETE' && last !== 'advertising' ? `un${last}` : last
  return w().doing[verb] ?? verb
}
