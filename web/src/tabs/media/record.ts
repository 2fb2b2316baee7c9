import { waveform, BARS, type Recording } from '../../data/voice'

const KINDS = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4']
const BITS = 32_000 // per second: clear speech, a quarter of a megabyte a minute
export const LONGEST_MS = 10 * 60_000
export const SHORTEST_MS = 700

export const canRecord = (): boolean => 'mediaDevices' in navigator && 'MediaRecorder' in globalThis

/** The microphone while it is open. level(): how loud it is now, from 0 to 1. */
export class Microphone {
  private readonly pieces: Blob[] = []
  private readonly meter: AnalyserNode
  private readonly began = performance.now()

  private constructor(
    private readonly stream: MediaStream,
    private readonly recorder: MediaRecorder,
    private readonly context: AudioContext,
  ) {
    this.meter = context.createAnalyser()
    this.meter.fftSize = 512
    context.createMediaStreamSource(stream).connect(this.meter)
    recorder.ondataavailable = ({ data }) => data.size > 0 && this.pieces.push(data)
    recorder.start(1_000)
  }

  /** Asks the person. Rejects when they, or the browser, say no. */
  static async open(): Promise<Microphone> {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } })
    const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind))
    return new Microphone(stream, new MediaRecorder(stream, { audioBitsPerSecond: BITS, ...(mimeType && { mimeType }) }), new AudioContext())
  }

  get elapsed(): number {
    return performance.now() - this.began
  }

  level(): number {
    const samples = new Float32Array(this.meter.fftSize)
    this.meter.getFloatTimeDomainData(samples)
    return Math.min(1, 4 * Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length))
  }

  /** name: what the file is called, without its ending. */
  async finish(name: string): Promise<Recording> {
    const duration = Math.round(this.elapsed)
    const done = new Promise<void>((resolve) => (this.recorder.onstop = () => resolve()))
    if (this.recorder.state !== 'inactive') {
      this.recorder.stop()
      await done
    }
    const type = (this.recorder.mimeType || 'audio/webm').split(';')[0]!
    const blob = new Blob(this.pieces, { type })
    const parts = await this.measure(blob)
    this.close()
    return { blob, name: `${name}.${type.split('/')[1] === 'mp4' ? 'm4a' : type.split('/')[1]}`, duration, waveform: parts }
  }

  close(): void {
    if (this.recorder.state !== 'inactive') this.recorder.stop()
    for (const track of this.stream.getTracks()) track.stop()
    if (this.context.state !== 'closed') void this.context.close()
  }

  private async measure(blob: Blob): Promise<number[]> {
    const sound = await this.context.decodeAudioData(await blob.arrayBuffer()).catch(() => null)
    return sound ? waveform(sound.getChannelData(0), BARS) : []
  }
}
