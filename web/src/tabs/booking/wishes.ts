import type { Client } from '../../data/client'
import type { Intent } from '../../data/intents'
import { intent } from '../../data/service'
import type { Body } from '../../net/services'
import { orSay } from '../../ui/errors'
import { w } from './words'

const BASE = '/_bongsu/v1/bookings'

/** All that a person wants of one offer stands in one lane: a cancellation never overtakes the booking. */
export const laneOf = (offer: string): string => `booking offer ${offer} `
export const deskLane = (offer: string): string => `booking desk ${offer} `
export const PUBLISH = 'booking publish '
export const TOLD = 'booking told '

export const book = (client: Client, offer_id: string, waitlist: boolean): void =>
  orSay(client.intend(intent(`POST ${BASE}/offers/{offer_id}/book`, { offer_id }, { waitlist }, laneOf(offer_id))))

export const confirm = (client: Client, offer: string, booking_id: string): void =>
  orSay(client.intend(intent(`POST ${BASE}/{booking_id}/confirm`, { booking_id }, undefined, laneOf(offer))))

export const cancel = (client: Client, offer: string, booking_id: string): void =>
  orSay(client.intend(intent(`DELETE ${BASE}/{booking_id}`, { booking_id }, undefined, laneOf(offer))))

export const publish = (client: Client, body: Body<'POST /_bongsu/v1/bookings/offers'>): void =>
  orSay(client.intend(intent(`POST ${BASE}/offers`, {}, body, PUBLISH)))

export const close = (client: Client, offer_id: string): void =>
  orSay(client.intend(intent(`POST ${BASE}/offers/{offer_id}/close`, { offer_id }, undefined, deskLane(offer_id))))

/** about: the booking, so that one guest holds up no other. */
export const checkIn = (client: Client, offer_id: string, body: { ticket: string } | { booking_id: string }, about: string): void =>
  orSay(client.intend(intent(`POST ${BASE}/offers/{offer_id}/check_in`, { offer_id }, body, `${deskLane(offer_id)}${about}`)))

export const noShow = (client: Client, offer_id: string, booking_id: string): void =>
  orSay(client.intend(intent(`POST ${BASE}/offers/{offer_id}/no_show`, { offer_id }, { booking_id }, `${deskLane(offer_id)}${booking_id}`)))

export const tellMe = (client: Client, body: Body<'POST /_bongsu/v1/bookings/subscriptions'>): void =>
  orSay(client.intend(intent(`POST ${BASE}/subscriptions`, {}, body, TOLD)))

export const untell = (client: Client, subscription_id: string): void =>
  orSay(client.intend(intent(`DELETE ${BASE}/subscriptions/{subscription_id}`, { subscription_id }, undefined, TOLD)))

/** What an intent wants, in words. */
export function intentName(intent: Intent): string {
  const last = intent.what.split('/').at(-1)!
  const verb = { '{booking_id}': 'cancel', '{subscription_id}': 'unsubscribe' }[last] ?? last
  return w().doing[verb] ?? verb
}
