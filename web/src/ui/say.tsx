import { createSignal, Show, type JSX } from 'solid-js'

const [said, setSaid] = createSignal({ text: '', shown: false })
let timer: ReturnType<typeof setTimeout>

/** A sentence at the bottom for a moment, above any window; readers speak it. */
export function say(text: string): void {
  clearTimeout(timer)
  setSaid({ text, shown: true })
  timer = setTimeout(() => setSaid({ text: '', shown: false }), 4_000)
}

/** Spoken only. */
export function speak(text: string): void {
  setSaid({ text, shown: false })
}

export function Said(): JSX.Element {
  return (
    <>
      <div class="unseen" role="status">
        {said().text}
      </div>
      <Show when={said().shown}>
        <p class="toast" aria-hidden="true" popover="manual" ref={(element) => queueMicrotask(() => element.isConnected && element.showPopover?.())}>
          {said().text}
        </p>
      </Show>
    </>
  )
}
