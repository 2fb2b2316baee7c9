import { createEffect, createSignal, createUniqueId, For, on, onCleanup, Show, type JSX } from 'solid-js'
import { Dialog } from '../../ui/Dialog'
import { Icon } from '../../ui/Icon'
import { bytes } from '../../ui/settings'
import './attachments.css'
import { w } from './sendingWords'

const HANGUL = 229 // Safari ends a composition before it tells of the Enter that ended it

/** What is about to be sent: looked at, left out, and with words. Files that are given later come to those that are there. */
export default function Attachments(props: { files: File[]; onSend: (files: File[], caption: string) => void; onClose: () => void }): JSX.Element {
  const [files, setFiles] = createSignal(props.files)
  const hint = createUniqueId()
  let caption!: HTMLTextAreaElement
  const add = (more: readonly File[]) => setFiles([...files(), ...more])
  createEffect(on(() => props.files, add, { defer: true }))

  function leaveOut(file: File): void {
    const rest = files().filter((one) => one !== file)
    if (rest.length === 0) return props.onClose()
    setFiles(rest)
    caption.focus() // the button that had it is gone
  }
  function more(input: HTMLInputElement): void {
    add([...(input.files ?? [])])
    input.value = ''
  }
  function pasted(event: ClipboardEvent): void {
    const more = [...(event.clipboardData?.files ?? [])]
    if (more.length === 0) return
    event.preventDefault()
    add(more)
  }
  const send = () => props.onSend(files(), caption.value.trim())
  function pressed(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === HANGUL || matchMedia('(pointer: coarse)').matches) return
    event.preventDefault()
    send()
  }

  return (
    <Dialog title={w().title(files().length)} onClose={props.onClose}>
      <form
        class="attachments"
        onSubmit={(event) => {
          event.preventDefault()
          send()
        }}
      >
        <ul aria-label={w().chosen} classList={{ single: files().length === 1 }}>
          <For each={files()}>
            {(file) => (
              <li>
                <Thumbnail file={file} />
                <button type="button" class="round out" aria-label={w().without(file.name)} onClick={() => leaveOut(file)}>
                  <Icon name="close" />
                </button>
              </li>
            )}
          </For>
          <li class="more">
            <label>
              <Icon name="plus" />
              <span>{w().more}</span>
              <input type="file" multiple onChange={(event) => more(event.currentTarget)} />
            </label>
          </li>
        </ul>
        <div class="words-with">
          <textarea ref={caption} autofocus rows="1" placeholder={w().caption} aria-label={w().caption} aria-describedby={files().length > 1 ? hint : undefined} enterkeyhint="send" onKeyDown={pressed} onPaste={pasted} />
          <button class="round go" aria-label={w().send}>
            <Icon name="send" />
          </button>
        </div>
        <Show when={files().length > 1}>
          <p class="hint" id={hint}>
            {w().captionHint}
          </p>
        </Show>
      </form>
    </Dialog>
  )
}

/** A picture or the first moment of a film, where this browser can show it; else its name and size. */
function Thumbnail(props: { file: File }): JSX.Element {
  const { file } = props
  const kind = /^(image|video)\//.exec(file.type)?.[1]
  const [isShown, setShown] = createSignal(kind !== undefined)
  const address = kind && URL.createObjectURL(file)
  onCleanup(() => address && URL.revokeObjectURL(address))
  return (
    <Show when={isShown()} fallback={<Card file={file} />}>
      <Show when={kind === 'image'} fallback={<video src={address} muted playsinline preload="metadata" aria-label={file.name} onError={() => setShown(false)} />}>
        <img src={address} alt={file.name} onError={() => setShown(false)} />
      </Show>
    </Show>
  )
}

function Card(props: { file: File }): JSX.Element {
  return (
    <span class="of-file">
      <Icon name="file" />
      <strong>{props.file.name}</strong>
      <span class="small quiet">{bytes(props.file.size)}</span>
    </span>
  )
}
