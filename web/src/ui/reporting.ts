import { createSignal } from 'solid-js'

/** A message of a room, a room, or a person; sender: whom one may want to block at once. */
export type Reported = { room: string; event?: string; sender?: string } | { user: string }

const [reported, setReported] = createSignal<Reported>()
export { reported }

/** Opens the window in which the operator is told; whatever was open closes by itself. */
export const report = (what: Reported): void => void setReported(what)

export const closeReport = (): void => void setReported(undefined)
