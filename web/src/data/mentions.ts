import type { Mentions } from './content'
import { level, localpart } from './rooms'
import type { Room } from './types'

/** Somebody who can be called in a message; user '' stands for everybody in the room. */
export interface Callee {
  user: string
  name: string
}

const SHOWN_MAX = 8
const WORDS_MAX = 40

/** The name that is being typed at the caret: where its @ stands, and what follows it. */
export interface Typing {
  at: number
  words: string
}

const begins = (text: string, at: number): boolean => at === 0 || /[\s([{"'“‘]/u.test(text[at - 1]!)
/** A Latin name ends with its word; after a Korean one a particle may follow. */
const ends = (text: string, at: number): boolean => !/[\w][\w]/.test(text.slice(at - 1, at + 1))

/** Null when no name is being typed. An @ counts at the beginning of a word only: it is in every mail address. */
export function typingAt(text: string, caret: number): Typing | null {
  const before = text.slice(0, caret)
  const at = before.lastIndexOf('@')
  if (at < 0 || !begins(text, at)) return null
  const words = before.slice(at + 1)
  return words.length > WORDS_MAX || /[\n@]|^\s|\s\s/u.test(words) ? null : { at, words }
}

const normal = (text: string): string => text.normalize('NFC').toLocaleLowerCase()

/** Those whose name or id begins with the words come first, then those who have them within. */
export function callees(room: Room, words: string, me: string, everybody: string): Callee[] {
  const wanted = normal(words)
  const here = Object.entries(room.members).filter(([user, member]) => user !== me && member.membership === 'join')
  const people = here.map(([user, member]) => ({ user, name: member.name || localpart(user) }))
  const all = mayCallAll(room, me) ? [...people, { user: '', name: everybody }] : people
  const rank = ({ user, name }: Callee) => {
    const texts = [normal(name), normal(localpart(user))]
    return texts.some((text) => text.startsWith(wanted)) ? 0 : texts.some((text) => text.includes(wanted)) ? 1 : 2
  }
  return all.filter((one) => rank(one) < 2).toSorted((left, right) => rank(left) - rank(right) || left.name.localeCompare(right.name)).slice(0, SHOWN_MAX)
}

const mayCallAll = (room: Room, me: string): boolean => room.joined > 2 && level(room, me) >= (room.powers?.notifyRoom ?? 50)

/** Those whose @name stands in a text: what was picked for a draft is not kept beside it. */
export function namesIn(text: string, room: Room, me: string, everybody: string): Callee[] {
  if (!text.includes('@')) return []
  const people = Object.entries(room.members).flatMap(([user, { membership, name }]) => (membership === 'join' && user !== me ? [{ user, name: name || localpart(user) }] : []))
  const all = mayCallAll(room, me) ? [...people, { user: '', name: everybody }] : people
  return all.filter(({ name }) => text.includes(`@${name}`))
}

/** The text with a name in place of what was typed of it, and where the caret then stands. */
export function withName(text: string, { at, words }: Typing, name: string): { text: string; caret: number } {
  const put = `@${name} `
  const after = text.slice(at + 1 + words.length).replace(/^ /, '')
  return { text: text.slice(0, at) + put + after, caret: at + put.length }
}

/** A text with the names that were picked for it, as it is sent. */
export interface Spoken {
  body: string
  html?: string
  mentions: Mentions
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (letter) => `&#${letter.codePointAt(0)};`)

const linked = ({ user, name }: Callee): string => (user ? `<a href="https://matrix.to/#/${encodeURIComponent(user)}">@${escaped(name)}</a>` : `@${escaped(name)}`)

/** Whoever was picked and whose @name still stands in the text is called. Longer names first: 김수 is within 김수현. */
export function spoken(body: string, picked: readonly Callee[]): Spoken {
  const names = [...new Map(picked.map((one) => [`@${one.name}`, one])).entries()].toSorted(([left], [right]) => right.length - left.length)
  const called = new Set<Callee>()
  let html = ''
  for (let at = 0; at < body.length; ) {
    const [token, callee] = (begins(body, at) && names.find(([name]) => body.startsWith(name, at) && ends(body, at + name.length))) || []
    if (callee) called.add(callee)
    html += callee ? linked(callee) : escaped(body[at]!)
    at += token?.length ?? 1
  }
  const users = [...called].flatMap(({ user }) => (user ? [user] : []))
  const mentions: Mentions = { ...(users.length > 0 && { user_ids: users }), ...([...called].some(({ user }) => !user) && { room: true }) }
  return { body, mentions, ...(called.size > 0 && { html: html.replaceAll('\n', '<br>') }) }
}

/** Is somebody called by this message? */
export const isCalled = (mentions: Mentions | undefined, me: string): boolean => mentions?.room === true || (mentions?.user_ids?.includes(me) ?? false)
