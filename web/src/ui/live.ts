import { createSignal, onCleanup, type Accessor } from 'solid-js'
import type { Client, Topic } from '../data/client'

/** A value that is read again whenever its topic has news. */
export function live<T>(client: Client, topic: Topic, read: () => T): Accessor<T> {
  const [value, set] = createSignal<T>(read(), { equals: false })
  onCleanup(client.on(topic, () => set(() => read())))
  return value
}

/** The same for what has to be read from the disk. */
export function liveLater<T>(client: Client, topic: Topic, read: () => Promise<T>, first: T): Accessor<T> {
  const [value, set] = createSignal<T>(first, { equals: false })
  let round = 0
  const again = () => {
    const own = ++round
    void read().then((next) => own === round && set(() => next))
  }
  again()
  onCleanup(client.on(topic, again))
  return value
}
