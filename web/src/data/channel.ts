import type { ChannelSaid, MarkSaid } from '../net/interface'

/** The pure part of the pages of channels. Times in ms; `now` is the server's. */
export type Channel = ChannelSaid

/** What an operator signed: a channel as it was looked at. In the order of canonical JSON, which is that of the names. */
const signedOf = ({ account, channel_id, name, valid_from, valid_until }: MarkSaid): string => JSON.stringify({ account, channel_id, name, valid_from, valid_until })

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))

/**
 * Does the official mark hold? It must be of this very channel, by its name and account now, and signed with the key of
 * the server. Throws where this browser cannot check signatures.
 */
export async function isOfficial(channel: Channel, key: string, now: number): Promise<boolean> {
  const { mark } = channel
  if (!mark || now < mark.valid_from || now >= mark.valid_until) return false
  if (mark.channel_id !== channel.channel_id || mark.name !== channel.name || mark.account !== channel.account) return false
  const known = await crypto.subtle.importKey('raw', bytesOf(key), 'Ed25519', false, ['verify'])
  try {
    return await crypto.subtle.verify('Ed25519', known, bytesOf(mark.signature), new TextEncoder().encode(signedOf(mark)))
  } catch {
    return false
  }
}

export interface Wish {
  advertising: boolean
  advertising_at_night: boolean
}

/** What is asked for when boxes are ticked: nobody agrees to advertising at night alone. */
export const wishOf = (advertising: boolean, atNight: boolean): Wish => ({ advertising, advertising_at_night: advertising && atNight })

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** Opening hours as lines of days and times; days that follow each other are one span. */
export function hoursOf(hours: Channel['hours'], nameOf: (day: (typeof DAYS)[number]) => string): string[] {
  return hours.map(({ days, opens, closes }) => {
    const places = DAYS.flatMap((day, at) => (days.includes(day) ? [at] : []))
    const isSpan = places.length > 2 && places.at(-1)! - places[0]! === places.length - 1
    const named = isSpan ? `${nameOf(DAYS[places[0]!]!)}–${nameOf(DAYS[places.at(-1)!]!)}` : places.map((at) => nameOf(DAYS[at]!)).join(', ')
    return `${named} ${opens}–${closes}`
  })
}
