/** The app's own files, a cache for each version of it. This origin keeps private photos, too: no other cache is looked into. */

const PREFIX = 'bongsu-app-'

export const cacheOf = (version: string): string => PREFIX + version

async function older(current: string): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== current)
}

/**
 * After an update. What was used before it, and is the same, need not be fetched again. The version before stays: pages
 * that were open go on with it, and ask for parts of it that the server has no more. isLater: is kept once used.
 */
export async function settle(current: string, isLater: (path: string) => boolean): Promise<void> {
  const all = await older(current)
  for (const name of all) await inherit(name, current, isLater)
  await Promise.all(all.slice(0, -1).map((name) => caches.delete(name)))
}

async function inherit(from: string, to: string, isLater: (path: string) => boolean): Promise<void> {
  const [before, cache] = await Promise.all([caches.open(from), caches.open(to)])
  for (const request of await before.keys()) {
    const reply = isLater(new URL(request.url).pathname) ? await before.match(request) : undefined
    if (reply) await cache.put(request, reply)
  }
}

/** A file whose name says what is in it, of this version or of the one before. */
export async function find(current: string, request: Request): Promise<Response | undefined> {
  for (const name of [current, ...(await older(current))]) {
    const reply = await (await caches.open(name)).match(request)
    if (reply) return reply
  }
  return undefined
}
