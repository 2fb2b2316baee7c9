import { createEffect, createSignal, onCleanup } from 'solid-js'
import type { Conversation } from './openRoom'

const READ_AFTER_MS = 400

/** What is on the screen, in a window that somebody looks at, is read. isSeen: its newest end is on the screen. */
export function readWhileSeen(open: Conversation, isSeen: () => boolean, mark: (event: string) => void): void {
  const [isVisible, setVisible] = createSignal(document.visibilityState === 'visible')
  const look = () => setVisible(document.visibilityState === 'visible')
  document.addEventListener('visibilitychange', look)
  onCleanup(() => document.removeEventListener('visibilitychange', look))
  createEffect(() => {
    open.keys()
    const newest = open.newest()
    if (!newest || !isVisible() || !isSeen() || !open.isReady() || open.room()?.membership !== 'join') return
    const timer = setTimeout(() => mark(newest), READ_AFTER_MS)
    onCleanup(() => clearTimeout(timer))
  })
}
