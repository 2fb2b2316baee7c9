import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Tabs, type Asked } from '../src/data/tabs'

/** Web Locks as far as one name goes: the first who asks holds it for good. */
const oneHolder = () => {
  let isHeld = false
  return {
    request: (_name: string, _options: object, run: () => Promise<void>) => {
      if (isHeld) return new Promise<void>(() => {})
      isHeld = true
      return Promise.resolve(run())
    },
  }
}

const posted: unknown[] = []
const watcher = new BroadcastChannel('bongsu')
watcher.onmessage = (event) => posted.push((event as MessageEvent).data)

let tabs: Tabs[] = []
let asked: Asked[][] = []

function open(count: number): void {
  asked = Array.from({ length: count }, () => [])
  tabs = asked.map((list) => new Tabs(() => {}, (one) => list.push(one)))
  for (const tab of tabs) tab.lead(() => {})
}

beforeEach(() => (posted.length = 0))
afterEach(() => {
  for (const tab of tabs) tab.close()
  vi.unstubAllGlobals()
})

test('of three tabs only the one that leads does what another asks, and nobody passes it on', async () => {
  vi.stubGlobal('navigator', { locks: oneHolder() })
  open(3)
  tabs[1]!.ask({ kind: 'hurry', isElsewhere: false })
  tabs[2]!.ask({ kind: 'health' })
  await vi.waitFor(() => expect(asked[0]).toHaveLength(2))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(asked.map((list) => list.length)).toEqual([2, 0, 0])
  expect(posted).toHaveLength(2)
})

test('without locks every tab leads: each does it once', async () => {
  vi.stubGlobal('navigator', {})
  open(3)
  tabs[1]!.ask({ kind: 'cancel', txn: 't' })
  await vi.waitFor(() => expect(asked.map((list) => list.length)).toEqual([1, 1, 1]))
  expect(posted).toHaveLength(1)
})
