import { createSignal, For, onCleanup, type JSX } from 'solid-js'
import { keyOf } from '../../../data/channelDesk'
import { Dialog } from '../../../ui/Dialog'
import { isWriting } from './place'
import { w } from './words'

const KEYS_OFF = 'deskKeysOff'

const [areOff, setOff] = createSignal(localStorage.getItem(KEYS_OFF) === 'yes')

function keepOff(is: boolean): void {
  localStorage.setItem(KEYS_OFF, is ? 'yes' : 'no')
  setOff(is)
}

/** Letters alone: they can be switched off, and never act while somebody writes. */
export function shortcuts(keys: Readonly<Record<string, () => void>>): void {
  const pressed = (event: KeyboardEvent) => {
    const run = keys[keyOf(event)]
    if (!run || areOff() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isWriting(event.target) || document.querySelector('dialog[open]')) return
    event.preventDefault()
    run()
  }
  document.addEventListener('keydown', pressed)
  onCleanup(() => document.removeEventListener('keydown', pressed))
}

export function Shortcuts(props: { onClose: () => void }): JSX.Element {
  return (
    <Dialog title={w().shortcuts} onClose={props.onClose}>
      <div class="padded">
        <table class="cdesk-keys">
          <tbody>
            <For each={w().keys}>
              {([key, what]) => (
                <tr>
                  <th scope="row">
                    <kbd>{key}</kbd>
                  </th>
                  <td>{what}</td>
                </tr>
              )}
            </For>
          </tbody>
        </table>
        <label class="check">
          <input type="checkbox" checked={!areOff()} onChange={(event) => keepOff(!event.currentTarget.checked)} />
          <span>{w().shortcutsOn}</span>
        </label>
      </div>
    </Dialog>
  )
}
