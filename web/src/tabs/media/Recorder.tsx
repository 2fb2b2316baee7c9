import { createSignal, onCleanup, onMount, Show, type JSX } from 'solid-js'
import { clockOf, type Recording } from '../../data/voice'
import { explain } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import { say } from '../../ui/say'
import { dayAndClock, t } from '../../ui/settings'
import { canRecord, LONGEST_MS, Microphone, SHORTEST_MS } from './record'
import { words } from './words'
import './recorder.css'

const LOOK_MS = 100

/** In the place of the composer while somebody speaks. onSend resolves when the recording is on disk. */
export default function Recorder(props: { onSend: (recording: Recording) => Promise<void>; onClose: () => void }): JSX.Element {
  const [elapsed, setElapsed] = createSignal(0)
  const [level, setLevel] = createSignal(0)
  const [isOpen, setOpen] = createSignal(false)
  const [recording, setRecording] = createSignal<Recording>()
  let microphone: Microphone | undefined
  let timer: ReturnType<typeof setInterval> | undefined
  let isGone = false
  let sender!: HTMLButtonElement

  onMount(() => void open())
  onCleanup(() => {
    isGone = true
    clearInterval(timer)
    microphone?.close()
  })
  async function open(): Promise<void> {
    if (!canRecord()) return refuse(words().recordingUnknown)
    try {
      const opened = await Microphone.open()
      if (isGone) return opened.close()
      microphone = opened
      setOpen(true)
      sender.focus()
      timer = setInterval(look, LOOK_MS)
    } catch {
      refuse(words().recordingFailed)
    }
  }
  function refuse(text: string): void {
    say(text)
    props.onClose()
  }
  function look(): void {
    setElapsed(microphone!.elapsed)
    setLevel(microphone!.level())
    if (microphone!.elapsed < LONGEST_MS) return
    say(words().recordingEnded)
    void stop()
  }
  async function stop(): Promise<Recording> {
    clearInterval(timer)
    const done = recording() ?? (await microphone!.finish(words().recordedAt(dayAndClock(Date.now()))))
    setRecording(done)
    return done
  }
  async function send(): Promise<void> {
    if (!microphone) return
    const done = await stop()
    if (done.duration < SHORTEST_MS) return refuse(words().recordingShort)
    try {
      await props.onSend(done)
      props.onClose()
    } catch (error) {
      say(explain(error)) // it stays here, to be sent again
    }
  }
  return (
    <div class="inner recorder" role="group" aria-label={words().recording} onKeyDown={(event) => event.key === 'Escape' && props.onClose()}>
      <button type="button" class="round" aria-label={words().discard} onClick={() => props.onClose()}>
        <Icon name="trash" />
      </button>
      <span class="now" role="timer" aria-live="off">
        <span class="lamp" aria-hidden="true" />
        <Show when={isOpen()} fallback={t().loading}>
          {clockOf(elapsed())}
        </Show>
      </span>
      <span class="loudness" aria-hidden="true">
        <span style={{ transform: `scaleX(${level()})` }} />
      </span>
      <button ref={sender} type="button" class="round go" aria-label={words().sendVoice} disabled={!isOpen()} onClick={() => void send()}>
        <Icon name="send" />
      </button>
    </div>
  )
}
