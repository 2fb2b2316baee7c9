import { createEffect, createSignal, onCleanup, type Accessor } from 'solid-js'
import type { MediaShelf, Size } from '../data/media'

export interface Held {
  address: Accessor<string | undefined>
  isLost: Accessor<boolean>
  lose(): void
  again(): void
}

/** The address of a file for as long as it is shown. wanted: undefined while there is nothing to show. */
export function held(media: MediaShelf, wanted: () => string | undefined, size?: Size): Held {
  const [address, setAddress] = createSignal<string>()
  const [isLost, setLost] = createSignal(false)
  const [tries, setTries] = createSignal(0)
  createEffect(() => {
    tries()
    const uri = wanted()
    setAddress(undefined)
    setLost(false)
    if (!uri) return
    const lease = media.hold(uri, size)
    let isWanted = true
    void lease.address.then((url) => isWanted && setAddress(url), () => isWanted && setLost(true))
    onCleanup(() => {
      isWanted = false
      lease.free()
    })
  })
  return { address, isLost, lose: () => setLost(true), again: () => setTries((count) => count + 1) }
}
