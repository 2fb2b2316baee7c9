import { createMemo, createSignal, onCleanup } from 'solid-js'
import type { Client } from '../data/client'
import { conversationOf } from '../data/threads'
import { rows } from '../data/timeline'
import { indexed, waitingItems, type Conversation } from './openRoom'

export interface OpenThread extends Conversation {
  /** the newest message of it that has arrived: what an answer names for clients that know no threads */
  last(): string
}

export function useThread(client: Client, id: string, root: string): OpenThread {
  const window = client.past.openThread(id, root)
  const [version, setVersion] = createSignal(0)
  const [isReady, setReady] = createSignal(false)
  const items = waitingItems(client, id)
  const readUpTo = client.room(id)?.threads[root] ? client.room(id)?.receiptsIn[root]?.[client.me] : undefined
  const changed = () => {
    setVersion((count) => count + 1)
    setReady(true)
  }
  onCleanup(client.on(`room ${id}`, oneAtATime(() => window.read().then(changed))))
  void window.open(changed)

  const room = createMemo(() => (version(), client.room(id)))
  const all = createMemo(() => {
    version()
    const known = room()
    if (!known) return []
    const whole = { ...known, stretches: [] }
    return rows({ room: whole, entries: window.entries, thread: root, places: window.places, items: items(), me: client.me, readUpTo, ignored: client.account.ignored, isStart: false })
  })
  const said = () => window.entries.filter((entry) => conversationOf(entry) === root)
  return {
    ...indexed(all),
    room,
    isReady,
    newest: () => (version(), said().at(-1)?.id),
    last: () => said().at(-1)?.id ?? root,
    older: () => {},
  }
}

/** Runs again after a run during which it was asked for, however often that was. */
function oneAtATime(run: () => Promise<void>): () => void {
  let isRunning = false
  let isWanted = false
  return () => {
    isWanted = true
    if (isRunning) return
    isRunning = true
    const turn = (): unknown => {
      isWanted = false
      return run().finally(() => (isWanted ? void turn() : (isRunning = false)))
    }
    turn()
  }
}
