import { createEffect, createSignal, onCleanup, type Accessor } from 'solid-js'
import { againIn, type Lease, type MediaShelf, type Size } from '../data/media'
import { isForNow } from '../net/errors'

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
  const again = () => setTries((count) => count + 1)
  let fails = 0
  createEffect(() => {
    tries()
    const uri = wanted()
    setAddress(undefined)
    setLost(false)
    if (!uri) return
    const lease = hold(uri)
    let isWanted = true
    let timer: ReturnType<typeof setTimeout> | undefined
    const lose = (error: unknown) => {
      if (!isWanted) return
      setLost(true)
      if (isForNow(error)) timer = setTimeout(again, againIn(fails++, Math.random()))
    }
    void lease.address.then((url) => isWanted && setAddress(url), lose)
    onCleanup(() => {
      isWanted = false
      clearTimeout(timer)
      lease.free()
    })
  })
  return { address, isLost, lose: () => setLost(true), again }
}
