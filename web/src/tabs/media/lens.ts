/** A camera that is open, with what it sees. */
export interface Lens {
  stream: MediaStream
  /** Is there another one to switch to? */
  hasOther: boolean
}

export type Why = 'refused' | 'none' | 'busy'

const QUALITY = 0.9
const WANTED = { width: { ideal: 1920 }, height: { ideal: 1080 } }

export const whyNot = (error: unknown): Why => {
  const name = error instanceof Error ? error.name : ''
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'refused'
  return name === 'NotFoundError' || name === 'OverconstrainedError' ? 'none' : 'busy'
}

/** The camera after this one in the list; undefined where there is none, or it is not known which one is open. */
export function after(ids: readonly string[], now: string | undefined): string | undefined {
  const at = now === undefined ? -1 : ids.indexOf(now)
  return ids.length > 1 ? ids[(at + 1) % ids.length] : undefined
}

const cameras = async (): Promise<string[]> =>
  (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === 'videoinput').map(({ deviceId }) => deviceId)

/** id: of a camera; without it, the one that looks away from the person, as far as there is one. */
export async function openLens(id?: string): Promise<Lens> {
  const which = id ? { deviceId: { exact: id } } : { facingMode: 'environment' }
  const stream = await navigator.mediaDevices.getUserMedia({ video: { ...WANTED, ...which } })
  return { stream, hasOther: (await cameras().catch(() => [])).length > 1 }
}

/** Ends it, and opens the next one: some devices have only one open at a time. */
export async function switchLens(lens: Lens): Promise<Lens> {
  const now = lens.stream.getVideoTracks()[0]?.getSettings().deviceId
  const next = after(await cameras(), now)
  closeLens(lens)
  return openLens(next)
}

export function closeLens(lens: Lens): void {
  for (const track of lens.stream.getTracks()) track.stop()
}

/** What is seen now, as a photo. */
export function takePhoto(video: HTMLVideoElement, name: string): Promise<File> {
  const canvas = document.createElement('canvas')
  canvas.width = video.videoWidth
  canvas.height = video.videoHeight
  canvas.getContext('2d')!.drawImage(video, 0, 0)
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(new File([blob], `${name}.jpg`, { type: 'image/jpeg' })) : reject(new Error('no photo'))), 'image/jpeg', QUALITY)
  })
}
