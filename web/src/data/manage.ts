import type { ChannelSaid, Role } from '../net/interface'

/** The pure part of the pages of those who work for a channel. Times in ms; `now` is the server's. */

export type Section = 'home' | 'posts' | 'broadcasts' | 'templates' | 'followers' | 'desk' | 'staff' | 'mark' | 'keys' | 'webhooks' | 'record' | 'close'

const ALL: readonly Role[] = ['owner', 'editor', 'agent']
const EDITORS: readonly Role[] = ['owner', 'editor']
const OWNER: readonly Role[] = ['owner']

/** Each section in the order in which it is listed, and for whom there is something in it. The server decides in the end. */
const FOR: Readonly<Record<Section, readonly Role[]>> = {
  desk: ['owner', 'agent'],
  broadcasts: EDITORS,
  posts: EDITORS,
  home: EDITORS,
  followers: EDITORS,
  templates: ALL,
  staff: ALL,
  mark: ALL,
  keys: OWNER,
  webhooks: OWNER,
  record: OWNER,
  close: OWNER,
}

export const roleOf = (channel: ChannelSaid | undefined): Role | undefined => channel?.mine?.role ?? undefined

export const sectionsFor = (role: Role): Section[] => (Object.keys(FOR) as Section[]).filter((section) => FOR[section].includes(role))

export const mayWrite = (role: Role | undefined): boolean => role === 'owner' || role === 'editor'
