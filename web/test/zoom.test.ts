import { describe, expect, test } from 'vitest'
import { fitted, held, moved, pinched, SCALE_MAX, swipe, tapped, wheeled, WHOLE, zoomed } from '../src/data/zoom'

const stage = { width: 400, height: 800 }
const picture = { width: 400, height: 300 }

describe('a picture on the screen', () => {
  test('fits, and is not blown up', () => {
    expect(fitted({ width: 4000, height: 3000 }, stage)).toEqual(picture)
    expect(fitted({ width: 40, height: 30 }, stage)).toEqual({ width: 40, height: 30 })
  })

  test('what is under the finger stays there', () => {
    const at = { x: 100, y: 0 }
    const lie = zoomed(WHOLE, 2, at, picture, stage)
    expect(lie.scale).toBe(2)
    expect((at.x - lie.x) / lie.scale).toBe(100)
  })

  test('grows and shrinks within bounds, and snaps back to whole', () => {
    expect(zoomed(WHOLE, 100, { x: 0, y: 0 }, picture, stage).scale).toBe(SCALE_MAX)
    expect(zoomed({ scale: 2, x: 100, y: 0 }, 0.1, { x: 0, y: 0 }, picture, stage)).toEqual(WHOLE)
  })

  test('leaves no empty edge', () => {
    expect(moved({ scale: 2, x: 0, y: 0 }, { x: 999, y: 999 }, picture, stage)).toEqual({ scale: 2, x: 200, y: 0 })
    expect(held({ scale: 4, x: -9999, y: -9999 }, picture, stage)).toEqual({ scale: 4, x: -600, y: -200 })
  })

  test('two taps enlarge, and two more bring it back', () => {
    const large = tapped(WHOLE, { x: 0, y: 0 }, picture, stage)
    expect(large.scale).toBe(2.5)
    expect(tapped(large, { x: 50, y: 50 }, picture, stage)).toEqual(WHOLE)
  })

  test('two fingers enlarge about their middle, and move it', () => {
    const before = [{ x: -50, y: 0 }, { x: 50, y: 0 }] as const
    const now = [{ x: -90, y: 0 }, { x: 110, y: 0 }] as const
    expect(pinched(WHOLE, before, now, picture, stage)).toEqual({ scale: 2, x: 10, y: 0 })
  })

  test('the wheel enlarges upwards and shrinks downwards, evenly', () => {
    expect(wheeled(-100)).toBeGreaterThan(1)
    expect(wheeled(-100) * wheeled(100)).toBeCloseTo(1)
    expect(wheeled(-1e9)).toBe(wheeled(-200))
  })
})

describe('a finger', () => {
  test.each([
    [{ x: -120, y: 10 }, 900, 'next'],
    [{ x: 120, y: 10 }, 900, 'previous'],
    [{ x: -40, y: 5 }, 60, 'next'],
    [{ x: -40, y: 5 }, 900, undefined],
    [{ x: 10, y: 300 }, 900, 'close'],
    [{ x: 10, y: -300 }, 900, undefined],
    [{ x: 3, y: 2 }, 1, undefined],
  ] as const)('that went %o in %i ms wants %s', (by, ms, wanted) => {
    expect(swipe(by, ms, stage)).toBe(wanted)
  })
})
