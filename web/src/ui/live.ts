import { createSignal, onCleanup, type Accessor } from 'solid-js'
import type { Client, Topic } from '../data/client'

/** A value that is read again whenever its topic has news. */
export function live<T>(client: Client, topic: Topic, read: () => T): Accessor<T> {
  const [value, set] = createSignal<T>(read(), { equals: false })
  onCleanup(client.on(topic, () => set(() => read())))
  return value
}
