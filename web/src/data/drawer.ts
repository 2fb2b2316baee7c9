import { pieces } from './links'
import { mediaOf, type Media } from './timeline'
import type { Entry } from './types'

export type Shelf = 'photos' | 'files' | 'links'

export interface Thing {
  id: string
  sender: string
  ts: number
  media?: Media
  link?: { href: string; host: string; text: string; danger?: string }
}

export interface Month {
  /** "2026-11" */
  key: string
  ts: number
  things: Thing[]
}

function thingsOf(entry: Entry, shelf: Shelf): Thing[] {
  const base = { id: entry.id, sender: entry.sender, ts: entry.ts }
  const media = mediaOf(entry.type, entry.content)
  if (shelf === 'links') {
    const found = media ? [] : pieces(entry.content.body ?? '')
    return found.flatMap((piece) => (piece.link ? [{ ...base, link: { ...piece.link, text: piece.text } }] : []))
  }
  const isPhoto = media?.kind === 'image' || media?.kind === 'video'
  return media && isPhoto === (shelf === 'photos') ? [{ ...base, media }] : []
}

/** What a room's drawer holds, newest month first. entries: messages as they read now, newest first. */
export function months(entries: readonly Entry[], shelf: Shelf): Month[] {
  const list: Month[] = []
  for (const entry of entries) {
    const date = new Date(entry.ts)
    const key = `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}`
    const things = thingsOf(entry, shelf)
    if (things.length === 0) continue
    const month = list.at(-1)
    if (month?.key === key) month.things.push(...things)
    else list.push({ key, ts: entry.ts, things })
  }
  return list
}

/** Does a message hold what somebody looks for? Without regard to case and to how Hangul was composed. */
export function searcher(words: string): (entry: Entry) => boolean {
  const wanted = normal(words).split(/\s+/).filter(Boolean)
  return (entry) => {
    if (wanted.length === 0) return false
    const body = normal(entry.content.body ?? '')
    return wanted.every((word) => body.includes(word))
  }
}

const normal = (text: string): string => text.normalize('NFC').toLocaleLowerCase()
