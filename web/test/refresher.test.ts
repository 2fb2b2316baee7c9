import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { pauseAfter, Refresher } from '../src/data/refresher'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('the pause is spread, and grows while nobody answers', () => {
  expect([pauseAfter(10_000, 0, 0), pauseAfter(10_000, 0, 0.5)]).toEqual([9_000, 10_000])
  expect([1, 2, 3, 9].map((fails) => pauseAfter(10_000, fails, 0.5))).toEqual([2_000, 4_000, 8_000, 30_000])
})

test('many news are one look, and those that come during a look are one more', async () => {
  const look = vi.fn(() => new Promise<void>((resolve) => setTimeout(resolve, 300)))
  const refresher = new Refresher(look, () => 60_000, () => {})
  refresher.poke()
  refresher.poke()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(look).toHaveBeenCalledTimes(2)
  refresher.poke()
  refresher.poke()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(look).toHaveBeenCalledTimes(3)
  refresher.stop()
})

test('it goes on after failures, tells of them, and ends when it is stopped', async () => {
  let fails = true
  const look = vi.fn(() => (fails ? Promise.reject(new Error('no')) : Promise.resolve()))
  const refresher = new Refresher(look, () => 5_000, () => {})
  await vi.advanceTimersByTimeAsync(0)
  expect([refresher.okAt, String(refresher.error)]).toEqual([0, 'Error: no'])
  fails = false
  await vi.advanceTimersByTimeAsync(4_000)
  expect(refresher.error).toBeUndefined()
  expect(refresher.okAt).toBeGreaterThan(0)
  refresher.stop()
  const count = look.mock.calls.length
  await vi.advanceTimersByTimeAsync(60_000)
  expect(look).toHaveBeenCalledTimes(count)
})
