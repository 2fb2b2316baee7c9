const LONG_MS = 480
const MOVED_PX = 10

/** A finger that stays: not every phone tells of it by itself. */
export function onLongPress(element: HTMLElement, run: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let start = { x: 0, y: 0 }
  const stop = () => clearTimeout(timer)
  element.addEventListener('pointerdown', (event) => {
    stop()
    if (event.pointerType !== 'touch') return
    start = { x: event.clientX, y: event.clientY }
    timer = setTimeout(run, LONG_MS)
  })
  element.addEventListener('pointermove', (event) => {
    if (Math.hypot(event.clientX - start.x, event.clientY - start.y) > MOVED_PX) stop()
  })
  element.addEventListener('pointerup', stop)
  element.addEventListener('pointercancel', stop)
}
