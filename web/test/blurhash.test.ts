import { describe, expect, test } from 'vitest'
import { decode, encode } from '../src/data/blurhash'

/** Pixels by their place. */
function drawn(width: number, height: number, colour: (x: number, y: number) => [number, number, number]): Uint8ClampedArray {
  const pixels = new Uint8ClampedArray(4 * width * height)
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) pixels.set([...colour(x, y), 255], 4 * (y * width + x))
  return pixels
}

describe('a blurhash', () => {
  test('of one colour is that colour', () => {
    const hash = encode(drawn(16, 16, () => [200, 30, 90]), 16, 16, 1, 1)
    expect(hash).toHaveLength(6)
    expect([...decode(hash, 1, 1)!]).toEqual([200, 30, 90, 255])
  })

  test('tells where it is bright', () => {
    const hash = encode(drawn(32, 32, (x) => (x < 16 ? [250, 250, 250] : [5, 5, 5])), 32, 32, 4, 3)
    expect(hash).toHaveLength(4 + 2 * 12)
    const shown = decode(hash, 8, 8)!
    expect(shown[0]! - shown[28]!).toBeGreaterThan(120)
  })

  test('is read as other clients write it', () => {
    const shown = decode('LEHV6nWB2yk8pyo0adR*.7kCMdnj', 32, 32)! // the example of those who invented it
    expect(shown).toHaveLength(4096)
    expect([...shown.slice(0, 4)]).toEqual([135, 164, 177, 255])
  })

  test.each(['', 'LEHV6', 'LEHV6nWB2yk8pyo0adR*.7kCMdn', 'LEHV6nWB2yk8pyo0adR*.7kCMdn"', '~'.repeat(5000), 'L불HV6nWB2yk8pyo0adR*.7kCMdn'])('nothing comes of %s', (text) => {
    expect(decode(text, 4, 4)).toBeNull()
  })
})
