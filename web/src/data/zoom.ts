/** How a picture lies on the screen: enlarged about the middle of the stage, then moved, in CSS pixels. */
export interface Lie {
  scale: number
  x: number
  y: number
}

export interface Box {
  width: number
  height: number
}

/** From the middle of the stage. */
export interface Point {
  x: number
  y: number
}

export const WHOLE: Lie = { scale: 1, x: 0, y: 0 }
export const SCALE_MAX = 8
export const STEP = 1.5 // of a key or a button
const TAP = 2.5 // of two quick taps
const NEAR = 1.01 // closer to the whole picture than anybody sees
const FAR = 0.25 // of the stage: so far a slow finger goes to turn a page
const FLICK = 0.4 // pixels in a millisecond: a quick one needs less way
const FLICK_PX = 24

const between = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value))

/** The largest size of a picture that fits, and never larger than it is. */
export function fitted(picture: Box, stage: Box): Box {
  const scale = Math.min(1, stage.width / picture.width, stage.height / picture.height)
  return { width: picture.width * scale, height: picture.height * scale }
}

/** No side of the stage is empty while the picture could fill it. picture: its size when it is not enlarged. */
export function held({ scale, x, y }: Lie, picture: Box, stage: Box): Lie {
  const wide = Math.max(0, (picture.width * scale - stage.width) / 2)
  const high = Math.max(0, (picture.height * scale - stage.height) / 2)
  return { scale, x: between(x, -wide, wide), y: between(y, -high, high) }
}

/** Larger or smaller; what is under the point stays there. */
export function zoomed(lie: Lie, factor: number, at: Point, picture: Box, stage: Box): Lie {
  const scale = between(lie.scale * factor, 1, SCALE_MAX)
  if (scale < NEAR) return WHOLE
  const share = scale / lie.scale
  return held({ scale, x: at.x - (at.x - lie.x) * share, y: at.y - (at.y - lie.y) * share }, picture, stage)
}

export const moved = (lie: Lie, by: Point, picture: Box, stage: Box): Lie => held({ ...lie, x: lie.x + by.x, y: lie.y + by.y }, picture, stage)

/** Two taps: large where it was tapped, or whole again. */
export const tapped = (lie: Lie, at: Point, picture: Box, stage: Box): Lie => (lie.scale > NEAR ? WHOLE : zoomed(lie, TAP, at, picture, stage))

export type Pair = readonly [Point, Point]

const middle = ([one, other]: Pair): Point => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 })
const distance = ([one, other]: Pair): number => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y))

/** Two fingers went from here to there. */
export function pinched(lie: Lie, before: Pair, now: Pair, picture: Box, stage: Box): Lie {
  const from = middle(before)
  const to = middle(now)
  const larger = zoomed(lie, distance(now) / distance(before), from, picture, stage)
  return moved(larger, { x: to.x - from.x, y: to.y - from.y }, picture, stage)
}

/** A turn of the wheel; deltaY in pixels, as browsers tell it. */
export const wheeled = (deltaY: number): number => Math.exp(-between(deltaY, -200, 200) / 300)

export type Swipe = 'next' | 'previous' | 'close'

/** What a finger wanted that moved a picture which is not enlarged. ms: how long it took. */
export function swipe(by: Point, ms: number, stage: Box): Swipe | undefined {
  const isSideways = Math.abs(by.x) > Math.abs(by.y)
  const way = isSideways ? Math.abs(by.x) : by.y
  const isFar = way > FAR * (isSideways ? stage.width : stage.height)
  const isQuick = way > FLICK_PX && way / Math.max(1, ms) > FLICK
  if (!isFar && !isQuick) return undefined
  if (!isSideways) return 'close'
  return by.x < 0 ? 'next' : 'previous'
}
