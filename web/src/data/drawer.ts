import { pieces, type Link } from './links'
import { mediaOf, type Media } from './timeline'
import type { Entry } from './types'

export type Shelf = 'photos' | 'videos' | 'files' | 'links'
export const SHELVES: readonly Shelf[] = ['photos', 'videos', 'files', 'links']

/** Something that somebody sent, and where. */
export interface Thing {
  /** of its own: a message may hold several links */
  key: string
  /** the event */
  id: string
  room: string
  sender: string
  ts: number
  media?: Media
  link?: Link & { text: string }
}

export interface Month {
  /** "2026-11" */
  key: string
  ts: number
  things: Thing[]
}

const shelfOf = (media: Media): Shelf => (media.kind === 'image' ? 'photos' : media.kind === 'video' ? 'videos' : 'files')

/** What a message holds of a kind. */
export function thingsOf(entry: Entry, shelf: Shelf): Thing[] {
  if (entry.redacted || entry.content['m.relates_to']?.rel_type === 'm.replace') return []
  const { id, room, sender, ts } = entry
  const media = mediaOf(entry.type, entry.content)
  if (media) return shelfOf(media) === shelf && !media.isSticker ? [{ key: id, id, room, sender, ts, media }] : []
  if (shelf !== 'links' || entry.type !== 'm.room.message') return []
  const found = pieces(entry.content.body ?? '').flatMap((piece) => (piece.link ? [{ ...piece.link, text: piece.text }] : []))
  return found.map((link, at) => ({ key: `${id} ${at}`, id, room, sender, ts, link }))
}

export const newestFirst = (things: Iterable<Thing>): Thing[] => [...things].toSorted((one, other) => other.ts - one.ts || (one.key < other.key ? 1 : -1))

/** The first moment of the month that a moment is in, here. */
export function monthStart(ts: number): number {
  const date = new Date(ts)
  return new Date(date.getFullYear(), date.getMonth(), 1).getTime()
}

/** By month, newest first. things: newest first. */
export function months(things: readonly Thing[]): Month[] {
  const list: Month[] = []
  for (const thing of things) {
    const date = new Date(thing.ts)
    const key = `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}`
    const month = list.at(-1)
    if (month?.key === key) month.things.push(thing)
    else list.push({ key, ts: thing.ts, things: [thing] })
  }
  return list
}

/** Does a message hold what somebody looks for? Without regard to case and to how Hangul was composed. */
export function searcher(words: string): (entry: Entry) => boolean {
  const wanted = normal(words).split(/\s+/).filter(Boolean)
  return (entry) => {
    if (wanted.length === 0) return false
    const body = normal(`${entry.content.body ?? ''} ${entry.content.filename ?? ''}`)
    return wanted.every((word) => body.includes(word))
  }
}

const normal = (text: string): string => text.normalize('NFC').toLocaleLowerCase()
