import { onCleanup } from 'solid-js'
import type { Client } from '../data/client'
import { deviceName } from './phrases'
import { openRoom } from './route'
import { language } from './settings'

/** While the app is open: the subscription is kept alive, and a notification that is pressed opens its room here. */
export function usePushes(client: Client): void {
  void client.push.renew(language(), deviceName()).catch(() => {}) // the next start tries again
  if (!('serviceWorker' in navigator)) return
  const worker = navigator.serviceWorker
  const hear = ({ data }: MessageEvent<{ kind?: unknown; room?: unknown }>) => {
    if (data?.kind === 'open' && typeof data.room === 'string') openRoom(data.room)
  }
  worker.addEventListener('message', hear)
  onCleanup(() => worker.removeEventListener('message', hear))
}
