import { onCleanup, onMount, Show, type JSX } from 'solid-js'
import { Icon } from './Icon'
import { t } from './settings'

/** Opens it while its owner is there; closed in any way, the focus goes back to where it was. Returns what to do on close. */
export function modal(dialog: () => HTMLDialogElement, onClose: () => void): () => void {
  let isGone = false
  onMount(() => dialog().showModal())
  onCleanup(() => {
    isGone = true
    dialog().close()
  })
  return () => isGone || onClose()
}

/** A window over the page; the browser keeps the focus inside, and Escape closes it. isFirm: it is not closed by the way. */
export function Dialog(props: { title: string; onClose: () => void; kind?: 'sheet' | 'page' | 'small'; isFirm?: boolean; children: JSX.Element }): JSX.Element {
  let dialog!: HTMLDialogElement
  const closed = modal(() => dialog, () => props.onClose())
  const outside = (event: MouseEvent) => event.target === dialog && !props.isFirm && dialog.close()
  return (
    <dialog ref={dialog} class={`dialog ${props.kind ?? 'sheet'}`} aria-label={props.title} onClose={closed} onClick={outside} onCancel={(event) => props.isFirm && event.preventDefault()}>
      <div class="inside">
        <header class="bar">
          <h2>{props.title}</h2>
          <Show when={!props.isFirm}>
            <button type="button" class="round" aria-label={t().close} onClick={() => dialog.close()}>
              <Icon name="close" />
            </button>
          </Show>
        </header>
        {props.children}
      </div>
    </dialog>
  )
}

/** Asks before something that cannot be taken back. */
export function Confirm(props: { title: string; text: string; action: string; onYes: () => void; onClose: () => void; children?: JSX.Element }): JSX.Element {
  return (
    <Dialog kind="small" title={props.title} onClose={props.onClose}>
      <div class="padded">
        <p>{props.text}</p>
        {props.children}
        <p class="choices">
          <button type="button" class="plain" onClick={() => props.onClose()}>
            {t().cancel}
          </button>
          <button type="button" class="strong danger" onClick={() => props.onYes()}>
            {props.action}
          </button>
        </p>
      </div>
    </Dialog>
  )
}
