import { createSignal, onCleanup, type Accessor } from 'solid-js'

const AHEAD = '600px'

/** Tells elements of a long page whether they are on the screen or close to it. root: what scrolls. */
export class Nearby {
  private readonly told = new Map<Element, (is: boolean) => void>()
  private readonly observer: IntersectionObserver

  constructor(root: Element) {
    this.observer = new IntersectionObserver((entries) => entries.forEach((entry) => this.told.get(entry.target)?.(entry.isIntersecting)), { root, rootMargin: `${AHEAD} 0px` })
    onCleanup(() => this.observer.disconnect())
  }

  watch(element: Element, tell: (is: boolean) => void): void {
    this.told.set(element, tell)
    this.observer.observe(element)
    onCleanup(() => {
      this.told.delete(element)
      this.observer.unobserve(element)
    })
  }

  is(element: Element): Accessor<boolean> {
    const [isNear, setNear] = createSignal(false)
    this.watch(element, setNear)
    return isNear
  }
}
