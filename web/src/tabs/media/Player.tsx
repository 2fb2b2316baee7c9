import { createEffect, createMemo, createSignal, For, onCleanup, Show, type JSX } from 'solid-js'
import type { Media } from '../../data/timeline'
import { bars, BARS, clockOf } from '../../data/voice'
import { Blur } from '../../ui/Blur'
import { useClient } from '../../ui/client'
import { orSay } from '../../ui/errors'
import { held, playing } from '../../ui/held'
import { Icon } from '../../ui/Icon'
import { photoBox } from '../../ui/phrases'
import { say } from '../../ui/say'
import { bytes, t } from '../../ui/settings'
import { words } from './words'
import './player.css'

/** A film or a recording in its place. It is fetched when somebody wants to see or hear it. */
export default function Player(props: { media: Media }): JSX.Element {
  return (
    <Show when={props.media.kind === 'video'} fallback={<Recording media={props.media} />}>
      <Film media={props.media} />
    </Show>
  )
}

interface Source {
  address: () => string | undefined
  isWanted: () => boolean
  want(): void
  /** The player could not play what it got. */
  fail(): void
}

/** In parts first; where that fails, whole; where that fails, it is said. */
function source(media: () => Media): Source {
  const shelf = useClient().media
  const [way, setWay] = createSignal<'none' | 'parts' | 'whole'>('none')
  const parts = playing(shelf, () => (way() === 'parts' ? media().uri : undefined), media().size)
  const whole = held(shelf, () => (way() === 'whole' ? media().uri : undefined))
  const give = (text: string) => (setWay('none'), say(text))
  createEffect(() => (parts.isLost() || whole.isLost()) && give(words().notPlayed))
  return {
    address: () => (way() === 'parts' ? parts.address() : way() === 'whole' ? whole.address() : undefined),
    isWanted: () => way() !== 'none',
    want: () => setWay('parts'),
    fail: () => (way() === 'parts' && !parts.address()?.startsWith('blob:') ? setWay('whole') : give(words().unplayable)),
  }
}

function Film(props: { media: Media }): JSX.Element {
  const client = useClient()
  const from = source(() => props.media)
  const box = () => photoBox(props.media.width ?? 16, props.media.height ?? 9)
  const label = () => props.media.name || t().video
  const facts = () => [props.media.duration && clockOf(props.media.duration), props.media.size && bytes(props.media.size)].filter(Boolean).join(' · ')
  return (
    <div class="film" style={{ width: `${box().width}px`, height: `${box().height}px` }}>
      <Show
        when={from.address()}
        fallback={
          <button type="button" class="cover" aria-label={`${t().play}: ${label()}`} aria-busy={from.isWanted()} onClick={from.want}>
            <Show when={props.media.blurhash}>{(hash) => <Blur hash={hash()} />}</Show>
            <span class="disc">
              <Icon name={from.isWanted() ? 'down' : 'play'} />
            </span>
            <span class="facts">{from.isWanted() ? t().loading : facts()}</span>
          </button>
        }
      >
        {(url) => <video src={url()} controls autoplay playsinline aria-label={label()} onError={from.fail} />}
      </Show>
      <button type="button" class="round take" aria-label={`${t().download}: ${label()}`} onClick={() => orSay(client.media.save(props.media.uri, props.media.name))}>
        <Icon name="download" />
      </button>
    </div>
  )
}

const SPEEDS = [1, 1.5, 2] as const
let playingNow: HTMLAudioElement | undefined

function Recording(props: { media: Media }): JSX.Element {
  const from = source(() => props.media)
  const [at, setAt] = createSignal(0)
  const [told, setTold] = createSignal<number>()
  const [isRunning, setRunning] = createSignal(false)
  const [speed, setSpeed] = createSignal<number>(SPEEDS[0])
  const whole = () => told() ?? props.media.duration ?? 0
  const label = () => (props.media.waveform ? t().voiceMessage : props.media.name || t().audio)
  let audio: HTMLAudioElement | undefined

  const toggle = () => {
    if (!audio) return from.want()
    if (audio.paused) void audio.play().catch(() => from.fail())
    else audio.pause()
  }
  const seek = (ms: number) => {
    setAt(ms)
    if (audio) audio.currentTime = ms / 1_000
    else from.want()
  }
  const faster = () => {
    setSpeed((before) => SPEEDS[(SPEEDS.indexOf(before as 1) + 1) % SPEEDS.length]!)
    if (audio) audio.playbackRate = speed()
  }
  const begin = (element: HTMLAudioElement) => {
    audio = element
    onCleanup(() => {
      element.pause()
      if (audio === element) audio = undefined
    })
  }
  const loaded = (element: HTMLAudioElement) => {
    if (Number.isFinite(element.duration) && element.duration > 0) setTold(element.duration * 1_000)
    element.playbackRate = speed()
    if (at() > 0) element.currentTime = at() / 1_000
  }
  const started = (element: HTMLAudioElement) => {
    if (playingNow !== element) playingNow?.pause()
    playingNow = element
    setRunning(true)
  }
  return (
    <div class="recording" role="group" aria-label={label()}>
      <button type="button" class="round" aria-label={isRunning() ? words().pause : t().play} aria-busy={from.isWanted() && !from.address()} onClick={toggle}>
        <Icon name={isRunning() ? 'pause' : 'play'} />
      </button>
      <span class="sound">
        <Show when={props.media.waveform} fallback={<span class="name">{props.media.name}</span>}>
          {(parts) => <Bars parts={parts()} share={whole() > 0 ? at() / whole() : 0} />}
        </Show>
        <input
          type="range"
          min="0"
          max={Math.max(1, Math.round(whole()))}
          step="any"
          value={at()}
          aria-label={words().place}
          aria-valuetext={words().passed(clockOf(at()), clockOf(whole()))}
          disabled={whole() === 0}
          onInput={(event) => seek(event.currentTarget.valueAsNumber)}
        />
        <span class="small times">
          <span>{clockOf(at() > 0 ? at() : whole())}</span>
          <Show when={!props.media.waveform && props.media.size}>{(size) => <span>{bytes(size())}</span>}</Show>
        </span>
      </span>
      <button type="button" class="speed" aria-label={words().speed(speed())} onClick={faster}>
        {speed()}×
      </button>
      <Show when={from.address()}>
        {(url) => (
          <audio
            ref={begin}
            src={url()}
            autoplay
            onLoadedMetadata={(event) => loaded(event.currentTarget)}
            onTimeUpdate={(event) => setAt(event.currentTarget.currentTime * 1_000)}
            onPlay={(event) => started(event.currentTarget)}
            onPause={() => setRunning(false)}
            onEnded={() => (setRunning(false), setAt(0))}
            onError={from.fail}
          />
        )}
      </Show>
    </div>
  )
}

function Bars(props: { parts: readonly number[]; share: number }): JSX.Element {
  const heights = createMemo(() => bars(props.parts, BARS / 2))
  return (
    <span class="bars" aria-hidden="true">
      <For each={heights()}>{(height, at) => <i classList={{ passed: at() < props.share * heights().length }} style={{ height: `${Math.round(12 + 88 * height)}%` }} />}</For>
    </span>
  )
}
