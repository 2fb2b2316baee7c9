import type { Account, Member, Room } from './types'

/** Who somebody is, as a room knows them. */
export const memberName = (room: Room | undefined, user: string): string => room?.members[user]?.name || localpart(user)

export const localpart = (user: string): string => /^@([^:]*)/.exec(user)?.[1] ?? user

const others = (room: Room, me: string): string[] => room.heroes.filter((user) => user !== me)

/** The other one of a room between two. */
export function partner(room: Room, account: Account): string | undefined {
  const direct = Object.entries(account.direct).find(([, rooms]) => rooms.includes(room.id))?.[0]
  if (direct) return direct
  return room.isDirect ? room.inviter : undefined
}

/** What a room is called: its name, or who is in it. Empty: nobody else. */
export function roomName(room: Room, me: string, account: Account): string {
  if (room.name) return room.name
  const other = partner(room, account)
  if (other) return memberName(room, other)
  const names = others(room, me).map((user) => memberName(room, user))
  return names.length > 0 ? names.join(', ') : (room.alias ?? '')
}

export function roomAvatar(room: Room, account: Account): string | undefined {
  if (room.avatar) return room.avatar
  const other = partner(room, account)
  return other ? room.members[other]?.avatar : undefined
}

const isFavourite = (room: Room): boolean => room.tags.includes('m.favourite')

/** Chats as they are listed: invitations, favourites, then by the newest message. */
export function chatList(rooms: Iterable<Room>): Room[] {
  const shown = [...rooms].filter((room) => room.membership !== 'leave')
  const rank = (room: Room) => (room.membership === 'invite' ? 0 : isFavourite(room) ? 1 : 2)
  return shown.toSorted((left, right) => rank(left) - rank(right) || right.lastTs - left.lastTs)
}

export interface Friend extends Member {
  user: string
  direct?: string
}

/** Everybody whom one talks with: in a room for two or any other. By name, in the language's order. */
export function friends(rooms: Iterable<Room>, account: Account, me: string, compare: (a: string, b: string) => number): Friend[] {
  const found = new Map<string, Friend>()
  for (const room of rooms) {
    if (room.membership !== 'join') continue
    for (const [user, member] of Object.entries(room.members)) {
      if (user === me || member.membership !== 'join') continue
      const before = found.get(user)
      const direct = before?.direct ?? account.direct[user]?.find((id) => id === room.id)
      found.set(user, { ...before, ...member, user, ...(direct && { direct }) })
    }
  }
  return [...found.values()].toSorted((left, right) => compare(left.name ?? left.user, right.name ?? right.user))
}

/** Why nothing can be written in a room, or undefined. What is to be secret never goes unencrypted. */
export function whyShut(room: Room | undefined): 'BONGSU_LEFT' | 'BONGSU_ENCRYPTED' | undefined {
  if (room?.membership !== 'join') return 'BONGSU_LEFT'
  return room.encrypted && !canEncrypt() ? 'BONGSU_ENCRYPTED' : undefined
}

/** Keys are kept by one tab alone, which takes locks; browsers have those, and their own cryptography, with https. */
export const canEncrypt = (): boolean => 'WebAssembly' in globalThis && 'navigator' in globalThis && 'locks' in navigator && crypto.subtle !== undefined

/** May I do this here? Levels that a room does not name are the protocol's. */
export function mayInvite(room: Room, me: string): boolean {
  return level(room, me) >= (room.powers?.invite ?? 0)
}

/** Since room version 12 whoever made a room stands above every level. */
export function level(room: Room, user: string): number {
  if (room.creators?.includes(user)) return Infinity
  return room.powers?.users[user] ?? room.powers?.users_default ?? 0
}

/** May I set what a room is, such as its pins? */
export function maySet(room: Room, me: string, type: string): boolean {
  return room.membership === 'join' && level(room, me) >= (room.powers?.events?.[type] ?? room.powers?.state_default ?? 50)
}

export function mayRedact(room: Room, me: string): boolean {
  return level(room, me) >= (room.powers?.redact ?? 50)
}

/** Has this room a bed board, whose account is in it then? Or may I make one: of a closed group, and not encrypted. */
export function boardOf(room: Room, me: string): 'has' | 'may' | undefined {
  if (room.members[`@bed-board${me.slice(me.indexOf(':'))}`]?.membership === 'join') return 'has'
  const isGroup = room.joined + room.invited > 2 || room.name !== undefined
  return isGroup && !room.encrypted && room.joinRule !== 'public' && maySet(room, me, 'io.bongsu.board') ? 'may' : undefined
}
