/** Where rows stand in a long list of which only a few are drawn. Heights in CSS pixels. */
export interface Heights {
  /** tops[i] is where row i begins; the last one is the whole height */
  tops: Float64Array
}

export function layout(keys: readonly string[], known: ReadonlyMap<string, number>, guess: number): Heights {
  const tops = new Float64Array(keys.length + 1)
  keys.forEach((key, index) => (tops[index + 1] = tops[index]! + (known.get(key) ?? guess)))
  return { tops }
}

/** The row at a place: the last that begins at or above it. */
export function rowAt({ tops }: Heights, place: number): number {
  let low = 0
  let high = Math.max(0, tops.length - 2)
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (tops[middle]! <= place) low = middle
    else high = middle - 1
  }
  return low
}

/** The rows to draw: those on the screen, and some above and below. `to` is not among them. */
export function span(heights: Heights, top: number, height: number, extra: number): { from: number; to: number } {
  const count = heights.tops.length - 1
  if (count === 0) return { from: 0, to: 0 }
  return { from: rowAt(heights, Math.max(0, top - extra)), to: Math.min(count, rowAt(heights, top + height + extra) + 1) }
}
