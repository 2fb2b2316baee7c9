import { createSignal, onCleanup, Show, type JSX } from 'solid-js'
import { readTicket } from '../../data/booking'
import type { Client } from '../../data/client'
import { ask } from '../../data/service'
import type { Guest } from '../../net/interface'
import { useClient } from '../../ui/client'
import { checkIn, deskLane } from './wishes'
import { Field } from '../services/Parts'
import { w } from './words'

const LOOK_MS = 300
const SAME_MS = 5_000
const KEPT_MS = 30 * 86_400_000
const NUMBER = /^b[0-9a-f]{24}$/

const isOver = (guest: Guest): boolean => guest.state === 'cancelled' || guest.state === 'expired'

type Verdict = keyof ReturnType<typeof w>['verdicts']

interface Detector {
  detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]>
}

declare global {
  // not in the types of the DOM, nor in every browser
  var BarcodeDetector: (new (options: { formats: string[] }) => Detector) | undefined
}

/** What tickets are checked with; kept, so that a check needs no network. A key is among them before it signs. */
async function keysOf(client: Client): Promise<string[]> {
  const kept = await client.sights.last<string[]>('ticket keys')
  if (kept) return kept.value
  const { keys } = await ask(client.matrix, 'GET /_bongsu/v1/bookings/key', {})
  await client.sights.keep('ticket keys', keys, Date.now() + KEPT_MS)
  return keys
}

/** Reads tickets: by the camera where the browser can, else typed. Real or not is known at once; the arrival is sent. */
export function Check(props: { offer: string; guests: readonly Guest[] }): JSX.Element {
  const client = useClient()
  const [verdict, setVerdict] = createSignal<Verdict>()
  const [isOn, setOn] = createSignal(false)
  const [hasFailed, setFailed] = createSignal(false)
  const canSee = globalThis.BarcodeDetector !== undefined && navigator.mediaDevices !== undefined
  let code!: HTMLInputElement
  let last = { text: '', at: 0 }
  void keysOf(client).catch(() => {})

  const isUsed = async (booking: string) =>
    props.guests.some((guest) => guest.booking_id === booking && guest.state === 'arrived') || (await client.intents.of(`${deskLane(props.offer)}${booking}`)).some((intent) => intent.state !== 'failed')

  /** What is to be said of a code; a ticket that is good is sent. */
  async function judge(text: string): Promise<Verdict> {
    if (props.guests.some((guest) => guest.booking_id === text && isOver(guest))) return 'gone'
    if (NUMBER.test(text)) return (await isUsed(text)) ? 'used' : (checkIn(client, props.offer, { booking_id: text }, text), 'number')
    const told = await keysOf(client).then((keys) => readTicket(text, keys)).catch(() => 'unchecked' as const)
    if (told === 'unchecked') return (checkIn(client, props.offer, { ticket: text }, text.slice(-24)), 'unchecked')
    if (told === null) return 'fake'
    if (told.offer_id !== props.offer) return 'other'
    if (props.guests.some((guest) => guest.booking_id === told.booking_id && isOver(guest))) return 'gone'
    if (await isUsed(told.booking_id)) return 'used'
    checkIn(client, props.offer, { ticket: text }, told.booking_id)
    return 'real'
  }
  async function seen(text: string): Promise<void> {
    const now = Date.now()
    if (!text || (text === last.text && now - last.at < SAME_MS)) return
    last = { text, at: now }
    setVerdict(await judge(text))
  }
  return (
    <section class="block">
      <h2>{w().check}</h2>
      <div role="status">
        <Show when={verdict()}>
          {(said) => (
            <p class="verdict" data-verdict={said()}>
              {w().verdicts[said()]}
            </p>
          )}
        </Show>
      </div>
      <Show when={canSee}>
        <button type="button" class="plain" aria-pressed={isOn()} onClick={() => setOn(!isOn())}>
          {isOn() ? w().cameraOff : w().camera}
        </button>
        <Show when={isOn()}>
          <Camera
            onCode={(text) => void seen(text)}
            onFailed={() => {
              setFailed(true)
              setOn(false)
            }}
          />
        </Show>
        <Show when={hasFailed()}>
          <p class="hint">{w().cameraFailed}</p>
        </Show>
      </Show>
      <form
        class="with-button"
        onSubmit={(event) => {
          event.preventDefault()
          last = { text: '', at: 0 }
          void seen(code.value.trim()).then(() => (code.value = ''))
        }}
      >
        <Field label={w().code}>
          <input ref={code} required autocomplete="off" autocapitalize="none" spellcheck={false} />
        </Field>
        <button class="strong">{w().checkIt}</button>
      </form>
    </section>
  )
}

function Camera(props: { onCode: (text: string) => void; onFailed: () => void }): JSX.Element {
  let video!: HTMLVideoElement
  let stream: MediaStream | undefined
  let timer: ReturnType<typeof setInterval> | undefined
  let isGone = false
  const stop = () => stream?.getTracks().forEach((track) => track.stop())
  const start = async () => {
    const detector = new globalThis.BarcodeDetector!({ formats: ['qr_code'] })
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })
    if (isGone) return stop()
    video.srcObject = stream
    await video.play()
    timer = setInterval(() => void detector.detect(video).then((codes) => codes[0] && props.onCode(codes[0].rawValue), () => {}), LOOK_MS)
  }
  void start().catch(() => isGone || props.onFailed())
  onCleanup(() => {
    isGone = true
    clearInterval(timer)
    stop()
  })
  return <video ref={video} class="camera" muted playsinline />
}
