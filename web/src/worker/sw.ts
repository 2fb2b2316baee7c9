/// <reference lib="webworker" />
/** Keeps the app itself, so that it opens without a network. Messages are in IndexedDB; this touches none of them. */
declare const self: ServiceWorkerGlobalScope

const CACHE = 'bongsu-app-__VERSION__'
const INDEX = '/app/'
const FILES = '__FILES__'.split(' ').map((name) => `/app/${name}`)
const KEPT = /^bongsu-app-/

async function install(): Promise<void> {
  const cache = await caches.open(CACHE)
  await cache.addAll([INDEX, '/app/icon.svg', '/app/manifest.webmanifest', ...FILES])
  await self.skipWaiting()
}

async function activate(): Promise<void> {
  const old = (await caches.keys()).filter((name) => KEPT.test(name) && name !== CACHE)
  await Promise.all(old.map((name) => caches.delete(name)))
  await self.clients.claim()
}

/** From the app's own cache and no other: this origin keeps private photos, too. */
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

self.addEventListener('install', (event) => event.waitUntil(install()))
self.addEventListener('activate', (event) => event.waitUntil(activate()))
self.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== self.location.origin || !url.pathname.startsWith('/app/')) return
  if (request.mode === 'navigate') event.respondWith(page(request))
  else event.respondWith(kept(request).then((reply) => reply ?? fetch(request)))
})

export {}
