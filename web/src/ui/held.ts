import { createEffect, createSignal, onCleanup, type Accessor } from 'solid-js'
import type { Lease, MediaShelf, Size } from '../data/media'

export interface Held {
  address: Accessor<string | undefined>
  isLost: Accessor<boolean>
  lose(): void
  again(): void
}

/** The address of a file for as long as it is shown. wanted: undefined while there is nothing to show. */
export const held = (media: MediaShelf, wanted: () => string | undefined, size?: Size): Held => leased(wanted, (uri) => media.hold(uri, size))

/** The same for a player. bytes: how large it is, as far as that is known. */
export const playing = (media: MediaShelf, wanted: () => string | undefined, bytes?: number): Held => leased(wanted, (uri) => media.play(uri, bytes))

function leased(wanted: () => string | undefined, hold: (uri: string) => Lease): Held {
  const [address, setAddress] = createSignal<string>()
  const [isLost, setLost] = createSignal(false)
  const [tries, setTries] = createSignal(0)
  createEffect(() => {
    tries()
    const uri = wanted()
    setAddress(undefined)
    setLost(false)
    if (!uri) return
    const lease = hold(uri)
    let isWanted = true
    void lease.address.then((url) => isWanted && setAddress(url), () => isWanted && setLost(true))
    onCleanup(() => {
      isWanted = false
      lease.free()
    })
  })
  return { address, isLost, lose: () => setLost(true), again: () => setTries((count) => count + 1) }
}
