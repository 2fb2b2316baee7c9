import { createSignal, onCleanup, onMount, Show, type JSX } from 'solid-js'
import { Dialog } from '../../ui/Dialog'
import { Icon } from '../../ui/Icon'
import { dayAndClock } from '../../ui/settings'
import './camera.css'
import { closeLens, openLens, switchLens, takePhoto, whyNot, type Lens, type Why } from './lens'
import { w } from './sendingWords'

/** Takes a photo with a camera of this device. It is off as soon as the window is closed. */
export default function Camera(props: { onPhoto: (photo: File) => void; onClose: () => void }): JSX.Element {
  const [lens, setLens] = createSignal<Lens>()
  const [why, setWhy] = createSignal<Why>()
  const [photo, setPhoto] = createSignal<File>()
  let isGone = false
  let video!: HTMLVideoElement
  let shutter!: HTMLButtonElement

  let now: Lens | undefined // also while it is not seen yet

  onMount(() => void open(() => openLens()))
  onCleanup(() => {
    isGone = true
    end()
  })
  function end(): void {
    if (now) closeLens(now)
    now = undefined
    setLens(undefined)
  }
  async function open(how: () => Promise<Lens>): Promise<void> {
    setWhy(undefined)
    setLens(undefined)
    try {
      const opened = await how()
      if (isGone) return closeLens(opened)
      now = opened
      video.srcObject = opened.stream
      await video.play()
      setLens(opened)
      shutter.focus()
    } catch (error) {
      if (!isGone) setWhy(whyNot(error))
    }
  }
  async function other(): Promise<void> {
    const before = lens()
    if (before) await open(() => switchLens(before))
  }
  async function take(): Promise<void> {
    if (!lens()) return
    setPhoto(await takePhoto(video, w().photoName(dayAndClock(Date.now()))))
    end()
  }
  function again(): void {
    setPhoto(undefined)
    void open(() => openLens())
  }
  return (
    <Dialog title={w().camera} onClose={props.onClose}>
      <div class="camera-window">
        <div class="sight">
          <video ref={video} muted playsinline aria-label={w().preview} hidden={photo() !== undefined || why() !== undefined} />
          <Show when={photo()}>{(taken) => <Taken photo={taken()} />}</Show>
          <Show when={!photo() && !why() && !lens()}>
            <p role="status">{w().opening}</p>
          </Show>
          <p role="alert">{why() && w()[why()!]}</p>
        </div>
        <p class="choices">
          <Show
            when={photo()}
            fallback={
              <>
                <Show when={lens()?.hasOther}>
                  <button type="button" class="plain" onClick={() => void other()}>
                    {w().other}
                  </button>
                </Show>
                <Show when={why()}>
                  <button type="button" class="plain" onClick={again}>
                    {w().tryAgain}
                  </button>
                </Show>
                <button ref={shutter} type="button" class="strong" disabled={!lens()} onClick={() => void take()}>
                  <Icon name="camera" />
                  {w().take}
                </button>
              </>
            }
          >
            {(taken) => (
              <>
                <button type="button" class="plain" onClick={again}>
                  {w().again}
                </button>
                <button type="button" class="strong" ref={(button) => queueMicrotask(() => button.focus())} onClick={() => props.onPhoto(taken())}>
                  {w().use}
                </button>
              </>
            )}
          </Show>
        </p>
      </div>
    </Dialog>
  )
}

function Taken(props: { photo: File }): JSX.Element {
  const address = URL.createObjectURL(props.photo)
  onCleanup(() => URL.revokeObjectURL(address))
  return <img src={address} alt={w().taken} />
}
