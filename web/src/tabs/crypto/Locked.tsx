import type { JSX } from 'solid-js'
import type { Message } from '../../data/timeline'
import { w } from './words'

/** In the place of a message that cannot be read: why, and whether it ever will. */
export function Locked(props: { why: NonNullable<Message['locked']> }): JSX.Element {
  return <p class="subdued">{w()[props.why]}</p>
}
