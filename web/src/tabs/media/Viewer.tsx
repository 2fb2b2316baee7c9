import { createEffect, createMemo, createSignal, on, onCleanup, onMount, Show, type JSX } from 'solid-js'
import { LARGE } from '../../data/media'
import type { Media } from '../../data/timeline'
import { fitted, moved, pinched, STEP, swipe, tapped, wheeled, WHOLE, zoomed, type Box, type Lie, type Point } from '../../data/zoom'
import { useClient } from '../../ui/client'
import { modal } from '../../ui/Dialog'
import { orSay } from '../../ui/errors'
import { held } from '../../ui/held'
import { Icon } from '../../ui/Icon'
import { Blur } from '../../ui/Blur'
import { t } from '../../ui/settings'
import { words } from './words'
import './viewer.css'

export interface Photo {
  id: string
  media: Media
  /** who sent it */
  who: string
}

interface Props {
  /** oldest first */
  photos: readonly Photo[]
  start: string
  /** the beginning of what is known comes near */
  onOlder?: () => void
  onClose: () => void
}

const NEAR_START = 3
const TAP_MS = 300
const TAP_PX = 12
const PAN_PX = 60 // of an arrow key

/** Photos over the whole screen, one at a time: larger with two fingers, the wheel, keys or buttons; sideways to the next. */
export default function Viewer(props: Props): JSX.Element {
  const client = useClient()
  const [current, setCurrent] = createSignal(props.start)
  const index = createMemo(() => Math.max(0, props.photos.findIndex((photo) => photo.id === current())))
  const photo = () => props.photos[index()]
  const turn = (by: number) => {
    const next = props.photos[index() + by]
    if (next) setCurrent(next.id)
  }
  createEffect(() => index() < NEAR_START && props.onOlder?.())
  let dialog!: HTMLDialogElement
  const closed = modal(() => dialog, () => props.onClose())
  const name = () => photo()?.media.name || t().photo
  return (
    <dialog ref={dialog} class="dialog viewer" aria-label={words().viewer} onClose={closed}>
      <Show when={photo()}>
        {(shown) => (
          <Stage
            photo={shown()}
            hasPrevious={index() > 0}
            hasNext={index() < props.photos.length - 1}
            onTurn={turn}
            onClose={() => dialog.close()}
            head={
              <>
                <span class="name">
                  {name()}
                  <span class="small">
                    {shown().who} · {index() + 1} / {props.photos.length}
                  </span>
                </span>
                <button type="button" class="round" aria-label={t().download} onClick={() => orSay(client.media.save(shown().media.uri, shown().media.name))}>
                  <Icon name="download" />
                </button>
              </>
            }
          />
        )}
      </Show>
      <p class="unseen" role="status">
        {photo() ? `${t().photoFrom(photo()!.who)}. ${words().position(index() + 1, props.photos.length)}` : ''}
      </p>
    </dialog>
  )
}

interface StageProps {
  photo: Photo
  head: JSX.Element
  hasPrevious: boolean
  hasNext: boolean
  onTurn: (by: number) => void
  onClose: () => void
}

function Stage(props: StageProps): JSX.Element {
  const client = useClient()
  const media = () => props.photo.media
  const uri = createMemo(() => media().uri)
  const small = held(client.media, uri, LARGE)
  const whole = held(client.media, uri)
  const [stage, setStage] = createSignal<Box>({ width: innerWidth, height: innerHeight })
  const [loaded, setLoaded] = createSignal<Box>()
  const [lie, setLie] = createSignal<Lie>(WHOLE)
  const box = createMemo(() => {
    const { width, height } = media()
    return fitted(width && height ? { width, height } : (loaded() ?? stage()), stage())
  })
  const zoom = (factor: number, at: Point = { x: 0, y: 0 }) => setLie((before) => zoomed(before, factor, at, box(), stage()))
  const pan = (by: Point) => setLie((before) => moved(before, by, box(), stage()))
  let view!: HTMLDivElement
  onMount(() => {
    const observer = new ResizeObserver(([entry]) => entry && setStage({ width: entry.contentRect.width, height: entry.contentRect.height }))
    observer.observe(view)
    onCleanup(() => observer.disconnect())
  })
  createEffect(on([stage, uri], () => setLie(WHOLE), { defer: true }))
  createEffect(on(uri, () => setLoaded(undefined), { defer: true }))
  const hand = new Hand({
    lie,
    put: setLie,
    box,
    stage,
    turn: (by) => props.onTurn(by),
    close: () => props.onClose(),
  })
  const keys: Record<string, () => void> = {
    ArrowLeft: () => (lie().scale > 1 ? pan({ x: PAN_PX, y: 0 }) : props.onTurn(-1)),
    ArrowRight: () => (lie().scale > 1 ? pan({ x: -PAN_PX, y: 0 }) : props.onTurn(1)),
    ArrowUp: () => pan({ x: 0, y: PAN_PX }),
    ArrowDown: () => pan({ x: 0, y: -PAN_PX }),
    PageUp: () => props.onTurn(-1),
    PageDown: () => props.onTurn(1),
    '+': () => zoom(STEP),
    '=': () => zoom(STEP),
    '-': () => zoom(1 / STEP),
    '0': () => setLie(WHOLE),
  }
  const pressed = (event: KeyboardEvent) => {
    const run = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key]
    if (!run) return
    event.preventDefault()
    run()
  }
  document.addEventListener('keydown', pressed)
  onCleanup(() => document.removeEventListener('keydown', pressed))
  return (
    <div class="inside">
      <header class="bar">
        {props.head}
        <button type="button" class="round" aria-label={words().smaller} disabled={lie().scale <= 1} onClick={() => zoom(1 / STEP)}>
          <Icon name="minus" />
        </button>
        <button type="button" class="round" aria-label={words().larger} onClick={() => zoom(STEP)}>
          <Icon name="plus" />
        </button>
        <button type="button" class="round" aria-label={t().close} onClick={() => props.onClose()}>
          <Icon name="close" />
        </button>
      </header>
      <div
        class="view"
        classList={{ enlarged: lie().scale > 1, dragged: hand.isDown() }}
        ref={view}
        onWheel={(event) => {
          event.preventDefault()
          zoom(wheeled(event.deltaY), pointIn(view, event))
        }}
        onPointerDown={(event) => hand.down(event, view)}
        onPointerMove={(event) => hand.move(event, view)}
        onPointerUp={(event) => hand.up(event, view)}
        onPointerCancel={() => hand.cancel()}
      >
        <Show when={whole.address() ?? small.address()} fallback={<Waiting media={media()} box={box()} isLost={whole.isLost()} onAgain={() => (small.again(), whole.again())} />}>
          {(url) => (
            <img
              src={url()}
              alt={t().photoFrom(props.photo.who)}
              draggable={false}
              style={{
                width: `${box().width}px`,
                height: `${box().height}px`,
                transform: `translate(${lie().x + hand.offset().x}px, ${lie().y + hand.offset().y}px) scale(${lie().scale})`,
              }}
              onLoad={({ currentTarget: image }) => setLoaded({ width: image.naturalWidth, height: image.naturalHeight })}
            />
          )}
        </Show>
        <Show when={props.hasPrevious}>
          <button type="button" class="round turn previous" aria-label={words().previous} onClick={() => props.onTurn(-1)}>
            <Icon name="back" />
          </button>
        </Show>
        <Show when={props.hasNext}>
          <button type="button" class="round turn next" aria-label={words().next} onClick={() => props.onTurn(1)}>
            <Icon name="forward" />
          </button>
        </Show>
      </div>
    </div>
  )
}

function Waiting(props: { media: Media; box: Box; isLost: boolean; onAgain: () => void }): JSX.Element {
  return (
    <Show
      when={!props.isLost}
      fallback={
        <button type="button" class="waiting" onClick={() => props.onAgain()}>
          <Icon name="warning" />
          {t().photoMissing}
        </button>
      }
    >
      <span class="guess" style={{ width: `${props.box.width}px`, height: `${props.box.height}px` }} role="img" aria-label={t().loading}>
        <Show when={props.media.blurhash}>{(hash) => <Blur hash={hash()} />}</Show>
      </span>
    </Show>
  )
}

function pointIn(view: HTMLElement, event: { clientX: number; clientY: number }): Point {
  const place = view.getBoundingClientRect()
  return { x: event.clientX - place.left - place.width / 2, y: event.clientY - place.top - place.height / 2 }
}

interface Holds {
  lie: () => Lie
  put: (lie: Lie) => void
  box: () => Box
  stage: () => Box
  turn: (by: number) => void
  close: () => void
}

/** Fingers or a mouse on the picture. */
class Hand {
  private readonly fingers = new Map<number, Point>()
  private began = { at: { x: 0, y: 0 }, time: 0 }
  private tap = { at: { x: 0, y: 0 }, time: -Infinity }
  private isSwipe = false
  readonly offset: () => Point
  readonly isDown: () => boolean
  private readonly setOffset: (by: Point) => void
  private readonly setDown: (is: boolean) => void

  constructor(private readonly holds: Holds) {
    const [offset, setOffset] = createSignal<Point>({ x: 0, y: 0 })
    const [isDown, setDown] = createSignal(false)
    this.offset = offset
    this.setOffset = setOffset
    this.isDown = isDown
    this.setDown = setDown
  }

  down(event: PointerEvent, view: HTMLElement): void {
    if ((event.target as Element).closest('button')) return
    const at = pointIn(view, event)
    view.setPointerCapture(event.pointerId)
    this.fingers.set(event.pointerId, at)
    this.isSwipe = this.fingers.size === 1
    this.began = { at, time: event.timeStamp }
    this.setDown(true)
    this.setOffset({ x: 0, y: 0 })
  }

  move(event: PointerEvent, view: HTMLElement): void {
    const before = this.fingers.get(event.pointerId)
    if (!before) return
    const at = pointIn(view, event)
    const { lie, put, box, stage } = this.holds
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1]
    this.fingers.set(event.pointerId, at)
    if (other) put(pinched(lie(), [before, other], [at, other], box(), stage()))
    else if (lie().scale > 1) put(moved(lie(), { x: at.x - before.x, y: at.y - before.y }, box(), stage()))
    else if (this.isSwipe) this.setOffset({ x: at.x - this.began.at.x, y: Math.max(0, at.y - this.began.at.y) })
  }

  up(event: PointerEvent, view: HTMLElement): void {
    if (!this.fingers.delete(event.pointerId)) return
    this.setDown(this.fingers.size > 0)
    this.setOffset({ x: 0, y: 0 })
    if (!this.isSwipe || this.fingers.size > 0) return
    const at = pointIn(view, event)
    const by = { x: at.x - this.began.at.x, y: at.y - this.began.at.y }
    if (Math.hypot(by.x, by.y) < TAP_PX) return this.tapAt(at, event.timeStamp)
    if (this.holds.lie().scale > 1) return
    const wanted = swipe(by, event.timeStamp - this.began.time, this.holds.stage())
    if (wanted === 'close') this.holds.close()
    else if (wanted) this.holds.turn(wanted === 'next' ? 1 : -1)
  }

  cancel(): void {
    this.fingers.clear()
    this.setDown(false)
    this.setOffset({ x: 0, y: 0 })
  }

  private tapAt(at: Point, time: number): void {
    const { lie, put, box, stage } = this.holds
    const isSecond = time - this.tap.time < TAP_MS && Math.hypot(at.x - this.tap.at.x, at.y - this.tap.at.y) < 4 * TAP_PX
    this.tap = { at, time: isSecond ? -Infinity : time }
    if (isSecond) put(tapped(lie(), at, box(), stage()))
  }
}
