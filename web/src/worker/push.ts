/// <reference lib="webworker" />
/** Pushes: shown unless the app is in view, opened where they lead. The server alone decides what is told, and when. */
import { readFact, writeFact } from './facts'
import { isApp, isFor, lacksText, noticeOf, parsePush, type Pushed, type Told } from './telling'

declare const self: ServiceWorkerGlobalScope

const V3 = '/_matrix/client/v3'
const ASK_MS = 8_000
const part = encodeURIComponent

interface Session {
  device: string
  token: string
}

/** The pusher as data/push.ts keeps it. */
interface Kept {
  body: { pushkey: string; app_id: string; data: Record<string, unknown> } & Record<string, unknown>
}

type Changed = ExtendableEvent & { newSubscription?: PushSubscription | null; oldSubscription?: PushSubscription | null }

const windows = async (): Promise<readonly WindowClient[]> =>
  (await self.clients.matchAll({ type: 'window', includeUncontrolled: true })).filter((page) => isApp(page.url))

/** Asks with the app's session, at another centre if the first does not answer. What is asked here does no harm twice. */
async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const session = await readFact<Session>('session')
  if (!session) throw new Error('nobody is signed in')
  const sites = new Set([self.location.origin, ...((await readFact<string[]>('sites')) ?? [])])
  let fault: unknown
  for (const site of sites) {
    try {
      return await askOf(site, session.token, method, path, body)
    } catch (error) {
      fault = error
    }
  }
  throw fault
}

async function askOf(site: string, token: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const headers: Record<string, string> = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const reply = await fetch(`${site}${V3}${path}`, { method, headers, signal: AbortSignal.timeout(ASK_MS), ...(body !== undefined && { body: JSON.stringify(body) }) })
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status}`)
  return reply.json()
}

/** The content of an event that a push only named; undefined if it cannot be had now. */
async function fetchText(push: Pushed): Promise<Told | undefined> {
  try {
    const event = (await ask('GET', `/rooms/${part(push.room_id ?? '')}/event/${part(push.event_id ?? '')}`)) as { content?: Told }
    return event.content
  } catch {
    return undefined
  }
}

async function count(unread: number | undefined): Promise<void> {
  if (unread !== undefined && 'setAppBadge' in navigator) await navigator.setAppBadge(unread).catch(() => {})
}

/** Whoever looks at the app sees it there. Whoever is signed out meanwhile is told nothing. */
async function tell(push: Pushed): Promise<void> {
  if (!isFor(push, await readFact<Session>('session'))) return
  await count(push.counts?.unread)
  if ((await windows()).some((page) => page.visibilityState === 'visible')) return
  const notice = noticeOf(push, lacksText(push) ? await fetchText(push) : push.content)
  if (!notice) return
  const { title, ...options } = notice
  await self.registration.showNotification(title, { ...options, icon: '/app/icon-192.png', data: { room: push.room_id }, renotify: true } as NotificationOptions)
}

/** The page that is there, or a new one. */
async function open(room: string): Promise<void> {
  const [page] = await windows()
  if (!page) return void (await self.clients.openWindow(`/app/room/${part(room)}`))
  page.postMessage({ kind: 'open', room })
  await page.focus()
}

/** The browser has another subscription now: the server must know it, or nothing more is heard. */
async function renew(event: Changed): Promise<void> {
  const kept = await readFact<Kept>('push')
  const options = event.oldSubscription?.options
  const subscription = event.newSubscription ?? (options ? await self.registration.pushManager.subscribe(options) : null)
  if (!kept || !subscription) return
  const { endpoint, keys } = subscription.toJSON()
  const body = { ...kept.body, pushkey: keys?.['p256dh'] ?? '', data: { ...kept.body.data, url: endpoint, auth: keys?.['auth'] } }
  await ask('POST', '/pushers/set', body)
  await writeFact('push', { body, at: Date.now() })
  await ask('POST', '/pushers/set', { app_id: kept.body.app_id, pushkey: kept.body.pushkey, kind: null })
}

export function listen(): void {
  self.addEventListener('push', (event) => event.waitUntil(tell(parsePush(event.data?.text() ?? ''))))
  self.addEventListener('notificationclick', (event) => {
    event.notification.close()
    const { room } = event.notification.data as { room?: string }
    if (room) event.waitUntil(open(room))
  })
  self.addEventListener('pushsubscriptionchange', (event) => (event as Changed).waitUntil(renew(event as Changed)))
}
