import { createSignal, onCleanup, type Accessor } from 'solid-js'
import type { Client } from '../../data/client'
import type { Intent } from '../../data/intents'
import { Refresher } from '../../data/refresher'
import type { Entry } from '../../data/types'

/** Something that is looked at again and again while it is shown. What was seen last stays, and it is known how old it is. */
export interface Sight<T> {
  value: Accessor<T | undefined>
  /** the server's time minus this device's, as far as it is known */
  skew: Accessor<number>
  okAt: Accessor<number>
  error: Accessor<unknown>
  poke(): void
  set(value: T): void
}

interface Wanted<T> {
  look: () => Promise<T>
  pace: (value: T | undefined) => number
  /** under which the last look is kept on disk */
  name?: string
}

const HIDDEN = 4 // so much more seldom is looked at what nobody sees

const nowOf = (value: unknown): number | undefined => (value as { now?: number | null } | undefined)?.now ?? undefined

export function sight<T>(client: Client, want: Wanted<T>): Sight<T> {
  const [value, setValue] = createSignal<T | undefined>(undefined, { equals: false })
  const [skew, setSkew] = createSignal(0)
  const [okAt, setOkAt] = createSignal(0)
  const [error, setError] = createSignal<unknown>()
  const show = (found: T) => setValue(() => found)
  const refresher = new Refresher(
    async () => {
      const asked = Date.now()
      const found = await want.look()
      const told = nowOf(found)
      if (told !== undefined) setSkew(told - (asked + Date.now()) / 2)
      show(found)
      if (want.name) void client.sights.keep(want.name, found).catch(() => {})
    },
    () => want.pace(value()) * (document.visibilityState === 'hidden' ? HIDDEN : 1),
    () => {
      setError(() => refresher.error)
      if (refresher.okAt) setOkAt(refresher.okAt)
    },
  )
  if (want.name) {
    void client.sights.last<T>(want.name).then((before) => {
      if (!before || value() !== undefined) return
      show(before.value)
      setOkAt(before.at)
    })
  }
  const back = () => document.visibilityState === 'visible' && refresher.poke()
  document.addEventListener('visibilitychange', back)
  addEventListener('online', back)
  onCleanup(() => {
    refresher.stop()
    document.removeEventListener('visibilitychange', back)
    removeEventListener('online', back)
  })
  return { value, skew, okAt, error, poke: () => refresher.poke(), set: show }
}

/** Events of all rooms while this is shown. */
export function watch(client: Client, run: (entries: readonly Entry[]) => void): void {
  onCleanup(client.watch(run))
}

/** What was wanted of a service and is not settled. onDone: each that was answered, once; it is taken away then. */
export function intentsOf(client: Client, lane: () => string, onDone: (intent: Intent) => void): Accessor<Intent[]> {
  const [open, setOpen] = createSignal<Intent[]>([])
  const seen = new Set<string>()
  const read = async () => {
    const all = await client.intents.of(lane())
    setOpen(all.filter((intent) => intent.state !== 'done'))
    for (const intent of all) {
      if (intent.state !== 'done' || seen.has(intent.key)) continue
      seen.add(intent.key)
      onDone(intent)
      void client.intents.remove(intent.key)
    }
  }
  onCleanup(client.on('intents', () => void read()))
  void read()
  return open
}

const [ticked, setTicked] = createSignal(Date.now())
let watchers = 0
let timer: ReturnType<typeof setInterval> | undefined

/** This device's time, each second, while somebody looks. */
export function ticking(): Accessor<number> {
  if (watchers++ === 0) timer = setInterval(() => setTicked(Date.now()), 1_000)
  setTicked(Date.now())
  onCleanup(() => {
    if (--watchers === 0) clearInterval(timer)
  })
  return ticked
}

/** Gives somebody a file. */
export function give(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), 60_000)
}

/** A page of its own, to be printed; where the browser opens none, a file. */
export function open(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob)
  if (!window.open(address, '_blank')) give(blob, name)
  setTimeout(() => URL.revokeObjectURL(address), 600_000)
}
