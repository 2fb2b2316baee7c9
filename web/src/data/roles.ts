import type { Json } from '../net/matrix'
import { level, maySet } from './rooms'
import type { Room } from './types'

/** What somebody is in a room, by their power level. owner: whoever made it, or stands above those who run it. */
export type Role = 'owner' | 'admin' | 'moderator' | 'member'

export const POWER_LEVELS = 'm.room.power_levels'
const OWNER = 150
const LEVELS: Readonly<Record<Exclude<Role, 'owner'>, number>> = { admin: 100, moderator: 50, member: 0 }
export const GIVEN: readonly Exclude<Role, 'owner'>[] = ['admin', 'moderator', 'member']

export function roleOf(room: Room, user: string): Role {
  const power = level(room, user)
  if (power >= OWNER || (power >= LEVELS.admin && room.creator === user)) return 'owner'
  return power >= LEVELS.admin ? 'admin' : power >= LEVELS.moderator ? 'moderator' : 'member'
}

const isAbove = (room: Room, me: string, user: string): boolean => level(room, me) > level(room, user)

/** The roles that I may give somebody: none above my own, to nobody as high as I am, but to myself a lower one. */
export function mayGive(room: Room, me: string, user: string): Exclude<Role, 'owner'>[] {
  if (!maySet(room, me, POWER_LEVELS) || room.creators?.includes(user)) return []
  if (me !== user && !isAbove(room, me, user)) return []
  const now = roleOf(room, user)
  return GIVEN.filter((role) => role !== now && LEVELS[role] <= level(room, me))
}

/** One cannot take it back alone: somebody would be as high as I am, or I lower than I was. */
export const isFinal = (room: Room, me: string, user: string, role: Exclude<Role, 'owner'>): boolean => me === user || LEVELS[role] >= level(room, me)

/** The power levels as the server has them, with another level for one person. */
export function withRole(content: Json, user: string, role: Exclude<Role, 'owner'>): Json {
  const { [user]: _, ...users } = (content['users'] ?? {}) as Record<string, number>
  const isUsual = LEVELS[role] === (content['users_default'] ?? 0)
  return { ...content, users: isUsual ? users : { ...users, [user]: LEVELS[role] } }
}

const may = (room: Room, me: string, act: 'kick' | 'ban'): boolean => level(room, me) >= (room.powers?.[act] ?? 50)

export const mayRemove = (room: Room, me: string, user: string, act: 'kick' | 'ban'): boolean => me !== user && may(room, me, act) && isAbove(room, me, user)

export const mayUnban = (room: Room, me: string, user: string): boolean => may(room, me, 'ban') && mayRemove(room, me, user, 'kick')

export const seesBanned = (room: Room, me: string): boolean => may(room, me, 'ban')
