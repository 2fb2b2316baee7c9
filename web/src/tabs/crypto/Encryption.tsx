import type { JSX } from 'solid-js'
import { Show } from 'solid-js'
import type { PageProps } from '../pages'
import { Account } from './Account'
import { RoomKeys } from './RoomKeys'
import './crypto.css'

/** Keys of the account; with a room's id, of those who are in it. */
export function Encryption(props: PageProps): JSX.Element {
  return (
    <div class="scroll keys">
      <Show when={props.ids[0]} fallback={<Account />} keyed>
        {(room) => <RoomKeys id={room} />}
      </Show>
    </div>
  )
}
