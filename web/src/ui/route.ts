import { createSignal } from 'solid-js'

export type Tab = 'friends' | 'chats' | 'more'

export interface Route {
  tab: Tab
  room?: string
  /** an invitation link was opened: the room's address */
  join?: string
}

const BASE = '/app/'
const TABS: readonly Tab[] = ['friends', 'chats', 'more']

export function routeOf(path: string, before: Tab = 'chats'): Route {
  const [first = '', second] = path.slice(BASE.length).split('/')
  if (first === 'room' && second) return { tab: before, room: decodeURIComponent(second) }
  if (first === 'join' && second) return { tab: 'chats', join: decodeURIComponent(second) }
  return { tab: TABS.find((tab) => tab === first) ?? 'chats' }
}

const pathOf = (route: Route): string => BASE + (route.room ? `room/${encodeURIComponent(route.room)}` : route.tab)

const [route, setRoute] = createSignal<Route>(routeOf(location.pathname))
export { route }

/** An address by which others may join. */
export const joinLink = (room: string): string => `${location.origin}${BASE}join/${encodeURIComponent(room)}`

/** From one room to another replaces the page in the history, so that “back” leads to the list. */
export function go(next: Route): void {
  const isSwitch = route().room !== undefined && next.room !== undefined
  history[isSwitch ? 'replaceState' : 'pushState'](null, '', pathOf(next))
  setRoute(next)
}

export const openRoom = (room: string): void => go({ tab: route().tab, room })

export function closeRoom(): void {
  go({ tab: route().tab })
}

addEventListener('popstate', () => setRoute(routeOf(location.pathname, route().tab)))
