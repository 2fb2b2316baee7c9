import { createEffect, createMemo, createSignal, For, on, onCleanup, onMount, type JSX } from 'solid-js'
import { layout, rowAt, span } from './span'

export interface ListControl {
  toBottom(): void
  toKey(key: string): void
}

interface Props {
  keys: readonly string[]
  label: string
  row: (key: string) => JSX.Element
  /** Does this row stand for something of its own? A date line belongs to whatever comes first on that day. */
  holds: (key: string) => boolean
  onNearTop: () => void
  /** There is more below, so that the end of the list is no place to stay at. */
  onNearBottom?: (() => void) | undefined
  onBottom: (is: boolean) => void
  control: (control: ListControl) => void
}

const GUESS = 64
const EXTRA = 700
const NEAR = 500
const BOTTOM = 48

/**
 * A long list of rows of any height, of which only those near the screen are drawn. What the reader looks at stays where
 * it is while rows above it come, go or grow; at the bottom the list follows what is new.
 */
export function VirtualList(props: Props): JSX.Element {
  let box!: HTMLDivElement
  const known = new Map<string, number>()
  const [top, setTop] = createSignal(0)
  const [view, setView] = createSignal(0)
  const [measured, setMeasured] = createSignal(0)
  let anchor: { key: string; offset: number } | null = null // null: the bottom
  const index = createMemo(() => new Map(props.keys.map((key, at) => [key, at])))
  const heights = createMemo(() => (measured(), layout(props.keys, known, GUESS)))
  const total = createMemo(() => heights().tops.at(-1) ?? 0)
  const range = createMemo(() => span(heights(), top(), view(), EXTRA), undefined, {
    equals: (a, b) => a.from === b.from && a.to === b.to,
  })
  const shown = createMemo(() => props.keys.slice(range().from, range().to))

  function restore(): void {
    const at = anchor && index().get(anchor.key)
    if (anchor && at === undefined) return
    const wanted = anchor ? heights().tops[at!]! - anchor.offset : Math.max(0, total() - view())
    if (Math.abs(box.scrollTop - wanted) > 0.5) box.scrollTop = wanted
    setTop(box.scrollTop)
  }

  function scrolled(): void {
    const isBottom = !props.onNearBottom && box.scrollHeight - box.scrollTop - box.clientHeight < BOTTOM
    let at = rowAt(heights(), box.scrollTop)
    while (at + 1 < props.keys.length && !props.holds(props.keys[at]!)) at++
    const key = props.keys[at]
    anchor = isBottom || key === undefined ? null : { key, offset: heights().tops[at]! - box.scrollTop }
    setTop(box.scrollTop)
    props.onBottom(isBottom)
  }

  const rows = new ResizeObserver((changes) => {
    let isNew = false
    for (const { target, borderBoxSize } of changes) {
      const key = (target as HTMLElement).dataset['key']!
      const height = borderBoxSize[0]?.blockSize ?? 0
      if (height === 0 || known.get(key) === height) continue
      known.set(key, height)
      isNew = true
    }
    if (isNew) setMeasured((count) => count + 1)
  })
  const frame = new ResizeObserver(() => setView(box.clientHeight))

  createEffect(on([heights, view], restore))
  createEffect(() => {
    if (view() > 0 && props.keys.length > 0 && (total() < view() + NEAR || top() < NEAR)) props.onNearTop()
  })
  createEffect(() => {
    if (view() > 0 && props.keys.length > 0 && total() - top() - view() < NEAR) props.onNearBottom?.()
  })
  onMount(() => {
    frame.observe(box)
    props.control({
      toBottom: () => {
        anchor = null
        restore()
        props.onBottom(true)
      },
      toKey: (key) => {
        if (!index().has(key)) return
        anchor = { key, offset: box.clientHeight / 3 }
        restore()
        props.onBottom(false)
      },
    })
  })
  onCleanup(() => {
    rows.disconnect()
    frame.disconnect()
  })

  function observe(element: HTMLElement): void {
    queueMicrotask(() => rows.observe(element))
    onCleanup(() => rows.unobserve(element))
  }

  return (
    <div ref={box} class="list" onScroll={scrolled} tabindex="0" role="log" aria-live="off" aria-label={props.label}>
      <div class="rows" style={{ height: `${total()}px`, 'padding-top': `${heights().tops[range().from] ?? 0}px` }}>
        <For each={shown()}>
          {(key) => (
            <div class="row" data-key={key} ref={observe}>
              {props.row(key)}
            </div>
          )}
        </For>
      </div>
    </div>
  )
}
