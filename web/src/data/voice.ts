import type { Json } from '../net/matrix'

const LOUDEST = 1_024
export const BARS = 60

/** How loud a recording is in each of `count` equal parts, from 0 to 1024; the loudest part is 1024. */
export function waveform(samples: Float32Array, count: number): number[] {
  const length = samples.length / count
  const loudness = Array.from({ length: count }, (_, part) => {
    const piece = samples.subarray(Math.floor(part * length), Math.max(Math.floor(part * length) + 1, Math.floor((part + 1) * length)))
    return Math.sqrt(piece.reduce((sum, value) => sum + value * value, 0) / Math.max(1, piece.length))
  })
  const loudest = Math.max(...loudness)
  return loudness.map((value) => (loudest > 0 ? Math.round((value / loudest) * LOUDEST) : 0))
}

/** A waveform as `count` bars between 0 and 1, however many parts its author measured. */
export function bars(parts: readonly number[], count: number): number[] {
  if (parts.length === 0) return Array.from({ length: count }, () => 0)
  return Array.from({ length: count }, (_, bar) => {
    const from = Math.floor((bar * parts.length) / count)
    const to = Math.max(from + 1, Math.floor(((bar + 1) * parts.length) / count))
    return Math.max(0, Math.min(1, Math.max(...parts.slice(from, to)) / LOUDEST))
  })
}

export interface Recording {
  blob: Blob
  name: string
  /** in milliseconds */
  duration: number
  waveform: number[]
}

/** What a message says of something spoken, as other clients read it. */
export function voiceContent({ blob, name, duration, waveform: parts }: Recording): Json {
  const mimetype = blob.type || 'audio/webm'
  return {
    msgtype: 'm.audio',
    body: name,
    filename: name,
    info: { size: blob.size, mimetype, duration },
    'org.matrix.msc1767.text': name,
    'org.matrix.msc1767.audio': { duration, waveform: parts },
    'org.matrix.msc3245.voice': {},
  }
}

/** 83000 → "1:23" */
export function clockOf(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60]
  const tail = `${String(minutes % 60).padStart(minutes >= 60 ? 2 : 1, '0')}:${String(rest).padStart(2, '0')}`
  return minutes >= 60 ? `${Math.floor(minutes / 60)}:${tail}` : tail
}
