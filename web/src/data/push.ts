import type { Json, Matrix } from '../net/matrix'
import type { Database } from './database'
import type { Session } from './types'

export type Shows = 'text' | 'nothing'
/** none: this browser cannot; denied: the person said no to the browser; else whether it is told. */
export type PushState = 'none' | 'denied' | 'off' | 'on'

export interface KeptPusher {
  body: Json & { pushkey: string }
  /** when the server was told of it last */
  at: number
}

const APP_ID = 'org.bongsu.web'
const KEPT = 'push'
const DAY_MS = 86_400_000

/** A subscription in the form of a pusher. What it shows, in which language and to which session comes back with every push. */
export function pusherOf(subscription: PushSubscriptionJSON, shows: Shows, lang: string, deviceName: string, device: string): Json & { pushkey: string } {
  return {
    kind: 'webpush',
    app_id: APP_ID,
    app_display_name: 'Bongsu Web',
    device_display_name: deviceName,
    lang,
    pushkey: subscription.keys?.['p256dh'] ?? '',
    data: { url: subscription.endpoint ?? '', auth: subscription.keys?.['auth'] ?? '', lang, shows, device, ...(shows === 'nothing' && { format: 'event_id_only' }) },
  }
}

/** Does the server have to be told again? It forgets a browser that its push service does not know any more. */
export const isStale = (kept: KeptPusher, body: Json, now: number): boolean => now - kept.at > DAY_MS || JSON.stringify(kept.body) !== JSON.stringify(body)

export function showsOf(kept: KeptPusher | undefined): Shows {
  return (kept?.body['data'] as Json | undefined)?.['shows'] === 'nothing' ? 'nothing' : 'text'
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
}

function isMadeWith(subscription: PushSubscription, vapid: string): boolean {
  const key = new Uint8Array(subscription.options.applicationServerKey ?? new ArrayBuffer())
  const wanted = bytesOf(vapid)
  return key.length === wanted.length && key.every((byte, at) => byte === wanted[at])
}

/** Pushes to this browser, through its own push service and no third party's. */
export class Push {
  constructor(
    private readonly database: Database,
    private readonly matrix: Matrix,
  ) {}

  async state(): Promise<{ state: PushState; shows: Shows }> {
    const kept = await this.kept()
    const shows = showsOf(kept)
    if (!(await this.registration())) return { state: 'none', shows }
    if (Notification.permission === 'denied') return { state: 'denied', shows }
    return { state: kept && (await this.subscription()) ? 'on' : 'off', shows }
  }

  /** Asks the person through the browser, subscribes, and tells the server. NotAllowedError: they said no. */
  async turnOn(shows: Shows, lang: string, deviceName: string): Promise<void> {
    if ((await Notification.requestPermission()) !== 'granted') throw new DOMException('no', 'NotAllowedError')
    const subscription = await this.subscribe()
    await this.set(pusherOf(subscription.toJSON(), shows, lang, deviceName, await this.device()))
  }

  async turnOff(): Promise<void> {
    const kept = await this.kept()
    await this.database.delete('facts', KEPT)
    await this.end()
    if (kept) await this.matrix.setPusher({ app_id: APP_ID, pushkey: kept.body.pushkey, kind: null })
  }

  /** At the start of the app: browsers change subscriptions, and servers forget them. */
  async renew(lang: string, deviceName: string): Promise<void> {
    const kept = await this.kept()
    if (!kept || !(await this.registration()) || Notification.permission !== 'granted') return
    const subscription = (await this.subscription()) ?? (await this.subscribe())
    const body = pusherOf(subscription.toJSON(), showsOf(kept), lang, deviceName, await this.device())
    if (isStale(kept, body, Date.now())) await this.set(body)
  }

  /** What was read here need not stand on the screen any more. */
  async read(room: string): Promise<void> {
    const shown = await (await this.registration())?.getNotifications({ tag: room })
    for (const notification of shown ?? []) notification.close()
  }

  /** The session is over: nothing more is shown. The server forgets the pusher with the session. */
  async over(): Promise<void> {
    await this.end().catch(() => {})
    if ('clearAppBadge' in navigator) await navigator.clearAppBadge().catch(() => {})
  }

  private async end(): Promise<void> {
    const registration = await this.registration()
    for (const notification of (await registration?.getNotifications()) ?? []) notification.close()
    await (await registration?.pushManager.getSubscription())?.unsubscribe()
  }

  private async device(): Promise<string> {
    return ((await this.database.get('facts', 'session')) as Session | undefined)?.device ?? ''
  }

  private async set(body: Json & { pushkey: string }): Promise<void> {
    await this.matrix.setPusher(body)
    await this.database.put('facts', { body, at: Date.now() } satisfies KeptPusher, KEPT)
  }

  private async kept(): Promise<KeptPusher | undefined> {
    return (await this.database.get('facts', KEPT)) as KeptPusher | undefined
  }

  private async registration(): Promise<ServiceWorkerRegistration | undefined> {
    if (!('serviceWorker' in navigator) || !('PushManager' in globalThis) || !('Notification' in globalThis)) return undefined
    return navigator.serviceWorker.getRegistration('/app/')
  }

  private async subscription(): Promise<PushSubscription | null> {
    return (await (await this.registration())?.pushManager.getSubscription()) ?? null
  }

  /** One that was made with another key of the server, or for somebody else, goes first. */
  private async subscribe(): Promise<PushSubscription> {
    const registration = await this.registration()
    if (!registration) throw new DOMException('no service worker', 'NotSupportedError')
    const { vapid } = await this.matrix.webPushKey()
    const before = await registration.pushManager.getSubscription()
    if (before && isMadeWith(before, vapid)) return before
    await before?.unsubscribe()
    return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytesOf(vapid) })
  }
}
