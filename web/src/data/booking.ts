import type { BookingSaid, Guest, MyBooking, OfferSaid } from '../net/interface'
import { localpart } from './rooms'

/** The pure part of the booking screens. Times in ms; `now` is the server's. */
export type Offer = OfferSaid
export type Standing = 'none' | 'early' | 'free' | 'full' | 'late' | 'over'

const LIVE: readonly string[] = ['waiting', 'held', 'booked']
const ENDED: readonly string[] = ['cancelled', 'expired']
const CALLED_MS = 1_800_000
const FIRST_MS = 2_000
const HELD_MS = 5_000
const CALM_MS = 60_000
const LINE_MS = 120_000

/** Until when somebody who waits is given a place: who gets it later could not come. The server's own rule. */
function calledUntil(offer: Offer): number {
  const margin = offer.opens_at >= offer.starts_at ? Math.min(CALLED_MS, Math.floor((offer.ends_at - offer.opens_at) / 2)) : CALLED_MS
  return Math.max(offer.starts_at, offer.ends_at - margin)
}

/** What somebody without a booking can do. early: it is not open, and who comes stands in line; late: no line is left. */
export function standingOf(offer: Offer, now: number): Standing {
  if (offer.state === 'closed' || now >= offer.ends_at) return 'over'
  if (offer.state !== 'open') return 'early'
  if (offer.available > 0) return 'free'
  return now < calledUntil(offer) ? 'full' : 'late'
}

export const isLive = (booking: { state: string }): boolean => LIVE.includes(booking.state)

/** The booking that counts: one that is over lets the person book anew. */
export const current = (offer: Offer): BookingSaid | undefined => (offer.booking && !ENDED.includes(offer.booking.state) ? offer.booking : undefined)

/** Those to come, the next one first; then what was. */
export function sorted(bookings: readonly MyBooking[], now: number): { coming: MyBooking[]; past: MyBooking[] } {
  const isComing = (one: MyBooking) => isLive(one) && one.offer.ends_at > now
  const coming = bookings.filter(isComing).toSorted((left, right) => left.offer.starts_at - right.offer.starts_at)
  const past = bookings.filter((one) => !isComing(one)).toSorted((left, right) => right.offer.starts_at - left.offer.starts_at)
  return { coming, past }
}

/**
 * How soon to look again. In a line the pause grows with the place, so that ten thousand who wait ask some 160 times a
 * second together; who is called hears of it in the room with the service as well.
 */
export function paceOf(booking: { state: string; position?: number | null; until?: number | null } | undefined, now: number): number {
  if (booking?.state === 'held') return Math.min(HELD_MS, Math.max(500, (booking.until ?? 0) - now + 500))
  if (booking?.state !== 'waiting') return CALM_MS
  return Math.min(LINE_MS, Math.max(FIRST_MS, ((booking.position ?? 1) / 20) * 1_000))
}

/** Is this offer what somebody looks for? */
export function fits(offer: Offer, want: { words: string; onlyFree: boolean }): boolean {
  const said = [offer.title, offer.place, offer.area].join(' ').toLocaleLowerCase()
  return (!want.onlyFree || offer.available > 0 || offer.state !== 'open') && want.words.toLocaleLowerCase().split(/\s+/).every((word) => said.includes(word))
}

/** What a guest is called at the desk: as they call themselves, or by their id. */
export const guestName = (guest: Guest): string => guest.display_name || localpart(guest.user_id)

/** Is this guest one whom somebody looks for: by any part of the name or id, or the beginning of the booking's number? */
export function isSought(guest: Guest, words: string): boolean {
  const sought = words.trim().normalize('NFC').toLocaleLowerCase()
  const called = [guest.display_name ?? '', guest.user_id].map((name) => name.normalize('NFC').toLocaleLowerCase())
  return called.some((name) => name.includes(sought)) || guest.booking_id.startsWith(sought)
}

/** The value of <input type="datetime-local"> as a moment of this device's time zone; null for none. */
export function momentOf(typed: string): number | null {
  const at = typed ? new Date(typed).getTime() : NaN
  return Number.isNaN(at) ? null : at
}

/** A day as it was typed: its first moment, or that of the day after. */
export function dayOf(typed: string, after = 0): number | null {
  const match = /^(\d{4,})-(\d\d)-(\d\d)$/.exec(typed)
  return match ? new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3]) + after).getTime() : null
}

/** For the input: a moment to the minute. */
export function typedOf(at: number): string {
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 16)
}

// --- tickets ---

export interface Ticket {
  booking_id: string
  offer_id: string
  starts_at: number
  ends_at: number
}

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0))

/** What a code says, if the server signed it; without a network. Throws where this browser cannot check signatures. */
export async function readTicket(text: string, keys: readonly string[]): Promise<Ticket | null> {
  const [version, payload, signature] = text.split('.')
  if (version !== 'B1' || !payload || !signature) return null
  const known = await Promise.all(keys.map((key) => crypto.subtle.importKey('raw', bytesOf(key), 'Ed25519', false, ['verify'])))
  const signed = new TextEncoder().encode(`${version}.${payload}`)
  try {
    const told = await Promise.all(known.map((key) => crypto.subtle.verify('Ed25519', key, bytesOf(signature), signed)))
    return told.includes(true) ? (JSON.parse(new TextDecoder().decode(bytesOf(payload))) as Ticket) : null
  } catch {
    return null
  }
}
