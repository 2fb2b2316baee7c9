import { describe, expect, test } from 'vitest'
import { contentOf } from '../src/data/content'
import { mediaOf } from '../src/data/timeline'
import { bars, clockOf, voiceContent, waveform } from '../src/data/voice'

describe('a waveform', () => {
  test('is as loud as its parts, the loudest 1024', () => {
    const samples = new Float32Array(400).fill(0.1, 100, 200).fill(0.4, 200, 300)
    expect(waveform(samples, 4)).toEqual([0, 256, 1024, 0])
  })

  test('of silence, and of less than there are parts, is no nonsense', () => {
    expect(waveform(new Float32Array(100), 3)).toEqual([0, 0, 0])
    expect(waveform(new Float32Array([1]), 3).every(Number.isFinite)).toBe(true)
    expect(waveform(new Float32Array(0), 2)).toEqual([0, 0])
  })

  test('is drawn in as many bars as there is room for', () => {
    expect(bars([0, 1024, 512, 0], 2)).toEqual([1, 0.5])
    expect(bars([1024], 3)).toEqual([1, 1, 1])
    expect(bars([], 2)).toEqual([0, 0])
    expect(bars([-5, 9999], 2)).toEqual([0, 1])
  })
})

test('how long something takes', () => {
  expect([0, 999, 83_000, 600_000, 3_723_000].map(clockOf)).toEqual(['0:00', '0:01', '1:23', '10:00', '1:02:03'])
})

describe('a voice message', () => {
  const content = voiceContent({ blob: new Blob(['abc'], { type: 'audio/webm' }), name: 'a.webm', duration: 2_000, waveform: [0, 1024] })

  test('is one to other clients, and to this one', () => {
    expect(content).toMatchObject({ msgtype: 'm.audio', 'org.matrix.msc3245.voice': {}, 'org.matrix.msc1767.audio': { duration: 2_000, waveform: [0, 1024] } })
    const media = mediaOf('m.room.message', contentOf({ ...content, url: 'mxc://a/b' }))
    expect(media).toMatchObject({ kind: 'audio', duration: 2_000, waveform: [0, 1024], size: 3 })
  })

  test('whose waveform is nonsense has none', () => {
    const nonsense = { ...content, url: 'mxc://a/b', 'org.matrix.msc1767.audio': { duration: 'x', waveform: [1, 'x'] } }
    expect(mediaOf('m.room.message', contentOf(nonsense))).toMatchObject({ duration: 2_000, waveform: [] })
    expect(mediaOf('m.room.message', contentOf({ ...content, url: 'mxc://a/b', 'org.matrix.msc1767.audio': { waveform: Array(5_000).fill(1) } }))).toMatchObject({ waveform: [] })
  })

  test('music is no voice message', () => {
    const { 'org.matrix.msc3245.voice': _, ...music } = content
    expect(mediaOf('m.room.message', contentOf({ ...music, url: 'mxc://a/b' }))).not.toHaveProperty('waveform')
  })
})

test('what was said with a photo is told apart from its name', () => {
  const photo = { msgtype: 'm.image', url: 'mxc://a/b', body: '산에서' }
  expect(mediaOf('m.room.message', contentOf({ ...photo, filename: 'a.jpg' }))).toMatchObject({ name: 'a.jpg', caption: '산에서' })
  expect(mediaOf('m.room.message', contentOf(photo))).not.toHaveProperty('caption')
  expect(mediaOf('m.room.message', contentOf({ ...photo, filename: '산에서' }))).not.toHaveProperty('caption')
})
