import { onCleanup } from 'solid-js'

/** Runs once nothing more came for so long; not at all once its owner is gone. */
export function later<T>(run: (value: T) => void, ms: number): (value: T) => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  onCleanup(() => clearTimeout(timer))
  return (value) => {
    clearTimeout(timer)
    timer = setTimeout(() => run(value), ms)
  }
}
