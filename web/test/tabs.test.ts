import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Tabs, type Asked } from '../src/data/tabs'

interface Holder {
  name: string
  clientId: string
  lose: (reason: Error) => void
}

/** Web Locks: those who wait come in their order, a thief at once. Each tab is a client of its own: whoever asked first for a lock of its own. */
function locksOf() {
  const held = new Map<string, Holder>()
  const queues = new Map<string, (() => void)[]>()
  let clients = 0
  const forTab = () => {
    const clientId = `client ${clients++}`
    const request = (name: string, { steal, signal }: LockOptions, run: () => Promise<void>) =>
      new Promise<void>((resolve, reject) => {
        const grant = () => {
          const holder = { name, clientId, lose: reject }
          held.set(name, holder)
          void run().then(() => {
            if (held.get(name) === holder) held.delete(name)
            if (!held.has(name)) queues.get(name)?.shift()?.()
            resolve()
          })
        }
        signal?.addEventListener('abort', () => {
          queues.set(name, (queues.get(name) ?? []).filter((one) => one !== grant))
          reject(new DOMException('', 'AbortError'))
        })
        if (steal) held.get(name)?.lose(new DOMException('', 'AbortError'))
        if (steal || !held.has(name)) queueMicrotask(grant)
        else queues.set(name, [...(queues.get(name) ?? []), grant])
      })
    return { request, query: async () => ({ held: [...held.values()] }) }
  }
  return forTab
}

const posted: unknown[] = []
const watcher = new BroadcastChannel('bongsu')
watcher.onmessage = (event) => posted.push((event as MessageEvent).data)

let tabs: Tabs[] = []
let asked: Asked[][] = []
let told: string[] = []

/** One after another; each sees the locks as a client of its own. */
async function open(count: number, locksFor?: ReturnType<typeof locksOf>): Promise<void> {
  asked = Array.from({ length: count }, () => [])
  tabs = asked.map((list) => new Tabs(() => {}, (one) => list.push(one)))
  for (const [at, tab] of tabs.entries()) {
    as(at, locksFor)
    tab.lead(
      () => told.push(`${at} leads`),
      () => told.push(`${at} lost`),
    )
    await Promise.resolve()
    await new Promise((resolve) => queueMicrotask(() => resolve(undefined)))
  }
}

const views: object[] = []
function as(at: number, locksFor?: ReturnType<typeof locksOf>): void {
  if (locksFor) views[at] ??= locksFor()
  vi.stubGlobal('navigator', locksFor ? { locks: views[at] } : {})
}

beforeEach(() => {
  posted.length = views.length = told.length = 0
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  vi.stubGlobal('document', { visibilityState: 'visible' })
})
afterEach(() => {
  vi.useRealTimers()
  for (const tab of tabs) tab.close()
  vi.unstubAllGlobals()
})

test('of three tabs only the one that leads does what another asks, and nobody passes it on', async () => {
  await open(3, locksOf())
  tabs[1]!.ask({ kind: 'hurry', isElsewhere: false })
  tabs[2]!.ask({ kind: 'health' })
  await vi.waitFor(() => expect(asked[0]).toHaveLength(2))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(asked.map((list) => list.length)).toEqual([2, 0, 0])
  expect(posted.filter((one) => 'asked' in (one as object))).toHaveLength(2)
})

test('without locks every tab leads: each does it once', async () => {
  await open(3)
  tabs[1]!.ask({ kind: 'cancel', txn: 't' })
  await vi.waitFor(() => expect(asked.map((list) => list.length)).toEqual([1, 1, 1]))
  expect(posted).toHaveLength(1)
})

const settled = () => new Promise((resolve) => setTimeout(resolve, 20))

/** So many beats of all tabs, and time for what they say to arrive. */
async function beat(count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    vi.advanceTimersByTime(1_500)
    await settled()
  }
}

test('a tab that leads and is awake keeps the lead', async () => {
  await open(2, locksOf())
  await beat(8)
  expect(told).toEqual(['0 leads'])
})

test('a tab that is looked at takes the lead from one that sleeps, which knows it as soon as it asks', async () => {
  const locksFor = locksOf()
  await open(2, locksFor)
  await settled() // that it is here has been heard
  ;(tabs[0] as unknown as { channel: BroadcastChannel }).channel.onmessage = null // asleep
  as(1, locksFor)
  await beat(4)
  expect(told).toEqual(['0 leads'])
  as(0, locksFor)
  expect(await tabs[0]!.leads()).toBe(true)
  as(1, locksFor)
  await beat(1)
  expect(told).toEqual(['0 leads', '0 lost', '1 leads'])
  expect(await tabs[1]!.leads()).toBe(true)
  ;(tabs[0] as { isLeader: boolean }).isLeader = true // it has not heard of it yet
  as(0, locksFor)
  expect(await tabs[0]!.leads()).toBe(false)
})

test('a tab that nobody looks at takes nothing', async () => {
  const locksFor = locksOf()
  await open(2, locksFor)
  ;(tabs[0] as unknown as { channel: BroadcastChannel }).channel.onmessage = null
  vi.stubGlobal('document', { visibilityState: 'hidden' })
  as(1, locksFor)
  await beat(8)
  expect(told).toEqual(['0 leads'])
})

test('a page that goes to sleep hands the lead over', async () => {
  await open(2, locksOf())
  expect([tabs[1]!.yield(), tabs[0]!.yield()]).toEqual([false, true])
  await settled()
  expect(told).toEqual(['0 leads', '1 leads'])
})
