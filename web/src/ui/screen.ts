import { createSignal, onCleanup, type Accessor } from 'solid-js'

/** Does the screen have this shape now? */
export function screen(query: string): Accessor<boolean> {
  const asked = matchMedia(query)
  const [is, set] = createSignal(asked.matches)
  const changed = () => set(asked.matches)
  asked.addEventListener('change', changed)
  onCleanup(() => asked.removeEventListener('change', changed))
  return is
}
