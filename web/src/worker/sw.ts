/// <reference lib="webworker" />
/**
 * Keeps the app itself, so that it opens without a network, and shows what is pushed. Messages are in IndexedDB; this
 * touches none of them. Films and recordings go through here, so that a player can ask for the part that it wants,
 * though they need a token.
 */
import { listen } from './push'
import { cacheOf, find, settle } from './versions'

declare const self: ServiceWorkerGlobalScope

const CACHE = cacheOf('__VERSION__')
const INDEX = '/app/'
const FILES = '__FILES__'.split(' ').map((name) => `/app/${name}`)
const LATER = new Set('__LATER__'.split(' ').map((name) => `/app/${name}`)) // large, and not for everybody: kept once used
const ASSET = /^\/app\/assets\//

async function install(): Promise<void> {
  const cache = await caches.open(CACHE)
  await cache.addAll([INDEX, '/app/icon.svg', '/app/manifest.webmanifest', ...FILES])
  await self.skipWaiting()
}

async function activate(): Promise<void> {
  await settle(CACHE, (path) => LATER.has(path))
  await self.clients.claim()
}

async function asset(request: Request, path: string): Promise<Response> {
  const here = await (ASSET.test(path) ? find(CACHE, request) : kept(request))
  if (here) return here
  const reply = await fetch(request)
  if (reply.ok && LATER.has(path)) await (await caches.open(CACHE)).put(request, reply.clone())
  return reply
}

async function kept(request: Request | string): Promise<Response | undefined> {
  return (await caches.open(CACHE)).match(request)
}

/** A page: from the server if it answers soon, so that a new version is seen at once; else what was kept. */
async function page(request: Request): Promise<Response> {
  try {
    const reply = await fetch(request, { signal: AbortSignal.timeout(2_500) })
    if (reply.ok) return reply
  } catch {
    // no network, or no server: that is what the kept one is for
  }
  return (await kept(INDEX)) ?? Response.error()
}

const FILE = /^\/app\/played\/([^/]+\/[A-Za-z0-9_-]+)$/
const PLAYERS: readonly string[] = ['video', 'audio']
const PLAYABLE = /^(video|audio)\/[a-z0-9.+-]+$/
const WAY_MS = 3_000
const SILENCE_MS = 8_000 // then another centre is asked for the part

/** The centres to ask, and with what: the page knows, and nothing of it is kept here. */
interface Way {
  sites: string[]
  token: string
}

async function wayOf(page: Client): Promise<Way> {
  const { port1, port2 } = new MessageChannel()
  const told = new Promise<Way>((resolve, reject) => {
    port1.onmessage = ({ data }: MessageEvent<Way>) => resolve(data)
    setTimeout(() => reject(new Error('the page does not answer')), WAY_MS)
  })
  page.postMessage({ kind: 'way' }, [port2])
  return told.finally(() => port1.close())
}

/** A part of a file, for a player of this app and nobody else. */
async function played(event: FetchEvent, file: string): Promise<Response> {
  const page = await self.clients.get(event.clientId)
  if (!page) return Response.error()
  const { sites, token } = await wayOf(page)
  const headers: Record<string, string> = { authorization: `Bearer ${token}` }
  const range = event.request.headers.get('range')
  if (range) headers['range'] = range
  for (const site of sites) {
    const reply = await begun(`${site}/_matrix/client/v1/media/download/${file}`, headers, event.request.signal)
    if (reply && (reply.ok || reply.status === 416)) return playable(reply)
  }
  return Response.error()
}

/** Null: no answer began. How long the rest of it takes is the player's business. */
async function begun(address: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response | null> {
  const silence = new AbortController()
  const stop = () => silence.abort()
  const timer = setTimeout(stop, SILENCE_MS)
  signal.addEventListener('abort', stop)
  return fetch(address, { headers, signal: silence.signal })
    .catch(() => null)
    .finally(() => clearTimeout(timer))
}

function playable(reply: Response): Response {
  const headers = new Headers({ 'x-content-type-options': 'nosniff', 'content-security-policy': 'sandbox', 'cache-control': 'no-store' })
  for (const name of ['content-length', 'content-range', 'accept-ranges']) {
    const value = reply.headers.get(name)
    if (value) headers.set(name, value)
  }
  const type = reply.headers.get('content-type')?.split(';')[0]?.trim() ?? ''
  headers.set('content-type', PLAYABLE.test(type) ? type : 'application/octet-stream')
  return new Response(reply.body, { status: reply.status, headers })
}

listen()
self.addEventListener('install', (event) => event.waitUntil(install()))
self.addEventListener('activate', (event) => event.waitUntil(activate()))
self.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== self.location.origin || !url.pathname.startsWith('/app/')) return
  const file = FILE.exec(url.pathname)?.[1]
  if (file && PLAYERS.includes(request.destination)) event.respondWith(played(event, file).catch(() => Response.error()))
  else if (request.mode === 'navigate') event.respondWith(page(request))
  else event.respondWith(asset(request, url.pathname))
})
