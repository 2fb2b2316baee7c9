import { createSignal } from 'solid-js'

export type Tab = 'friends' | 'chats' | 'services' | 'more'

export interface Route {
  tab: Tab
  room?: string
  /** an event of the room that is to be seen */
  event?: string
  /** a thread of the room that is open, by its first message */
  thread?: string
  /** a page of a service, and what it shows: its name in tabs/pages.ts, then ids */
  page?: readonly string[]
  /** an invitation link was opened: the room's address */
  join?: string
}

const BASE = '/app/'
const TABS: readonly Tab[] = ['friends', 'chats', 'services', 'more']

/** before: the tab that was open; a page that is opened first stands in its own. */
export function routeOf(path: string, before?: Tab): Route {
  const [first = '', second, ...rest] = path.slice(BASE.length).split('/')
  if (first === 'room' && second) return { tab: before ?? 'chats', room: decodeURIComponent(second), ...inRoom(rest) }
  if (first === 'service' && second) return { tab: before ?? 'services', page: [second, ...rest].map(decodeURIComponent) }
  if (first === 'join' && second) return { tab: 'chats', join: decodeURIComponent(second) }
  return { tab: TABS.find((tab) => tab === first) ?? 'chats' }
}

/** What is open in a room, from the rest of its address: an event, or "thread" and the event that begins it. */
function inRoom([first, second]: readonly string[]): Pick<Route, 'event' | 'thread'> {
  if (first === 'thread' && second) return { thread: decodeURIComponent(second) }
  return first ? { event: decodeURIComponent(first) } : {}
}

export function pathOf(route: Route): string {
  if (route.room) {
    const within = route.thread ? `/thread/${encodeURIComponent(route.thread)}` : route.event ? `/${encodeURIComponent(route.event)}` : ''
    return `${BASE}room/${encodeURIComponent(route.room)}${within}`
  }
  if (route.page) return `${BASE}service/${route.page.map(encodeURIComponent).join('/')}`
  return BASE + route.tab
}

const [route, setRoute] = createSignal<Route>(routeOf(location.pathname))
export { route }

/** An address by which others may join. */
export const joinLink = (room: string): string => `${location.origin}${BASE}join/${encodeURIComponent(room)}`

export const isOnStage = ({ room, page }: Route): boolean => room !== undefined || page !== undefined

/** From one room or page to another replaces the page in the history, so that “back” leads to the list. */
export function go(next: Route): void {
  const isSwitch = isOnStage(route()) && isOnStage(next)
  history[isSwitch ? 'replaceState' : 'pushState'](null, '', pathOf(next))
  setRoute(next)
}

/** event: where in the room. */
export const openRoom = (room: string, event?: string): void => go({ tab: route().tab, room, ...(event && { event }) })

const FROM_ROOM = 'from its room'

/** Opened from its room it is a page of the history, so that “back” closes it. */
export function openThread(room: string, thread: string): void {
  const next = { tab: route().tab, room, thread }
  const isHere = route().room === room && route().thread === undefined
  history[isHere ? 'pushState' : 'replaceState'](isHere ? FROM_ROOM : null, '', pathOf(next))
  setRoute(next)
}

export function closeThread(): void {
  const { tab, room } = route()
  if (history.state === FROM_ROOM) history.back()
  else if (room) go({ tab, room })
}

export const openPage = (...page: string[]): void => go({ tab: route().tab, page })

/** For links that open here; a click for a new tab or window is left to the browser. */
export const plainClick =
  (run: () => void) =>
  (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    run()
  }

export function closeRoom(): void {
  go({ tab: route().tab })
}

addEventListener('popstate', () => setRoute(routeOf(location.pathname, route().tab)))
