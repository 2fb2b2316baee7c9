import { encode } from './blurhash'

const SMALL = 32 // the longer side, in pixels, of what a blurhash is made of
const FILM_MS = 5_000 // so long a browser may take to show the first picture of a video

/** What a message tells of a picture or a film, so that its place is kept and it is guessed at before it is there. */
export interface Measures {
  w: number
  h: number
  duration?: number
  'xyz.amorgan.blurhash'?: string
}

type Drawable = CanvasImageSource & Partial<ImageBitmap> & Partial<HTMLVideoElement>

function blurhash(source: Drawable, width: number, height: number): string | undefined {
  const scale = SMALL / Math.max(width, height)
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(width * scale))
  canvas.height = Math.max(1, Math.round(height * scale))
  const pen = canvas.getContext('2d', { willReadFrequently: true })
  if (!pen) return undefined
  pen.drawImage(source, 0, 0, canvas.width, canvas.height)
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height)
  return width >= height ? encode(data, canvas.width, canvas.height, 4, 3) : encode(data, canvas.width, canvas.height, 3, 4)
}

const withHash = (measures: Measures, hash: string | undefined): Measures => (hash ? { ...measures, 'xyz.amorgan.blurhash': hash } : measures)

/** Null: this browser cannot show it as a picture. */
export async function measurePhoto(file: Blob): Promise<Measures | null> {
  const picture = await createImageBitmap(file).catch(() => null)
  if (!picture) return null
  const { width: w, height: h } = picture
  try {
    return withHash({ w, h }, blurhash(picture, w, h))
  } finally {
    picture.close()
  }
}

/** Null: this browser cannot show it as a film. */
export async function measureFilm(file: Blob): Promise<Measures | null> {
  const film = document.createElement('video')
  const address = URL.createObjectURL(file)
  try {
    film.muted = true
    film.preload = 'auto'
    film.playsInline = true
    await new Promise<void>((resolve, reject) => {
      film.onloadeddata = () => resolve()
      film.onerror = () => reject(new Error('this is no film'))
      setTimeout(() => reject(new Error('this film does not begin')), FILM_MS)
      film.src = address
    })
    const { videoWidth: w, videoHeight: h, duration } = film
    if (!w || !h) return null
    return withHash({ w, h, ...(Number.isFinite(duration) && { duration: Math.round(duration * 1_000) }) }, blurhash(film, w, h))
  } catch {
    return null
  } finally {
    film.removeAttribute('src')
    URL.revokeObjectURL(address)
  }
}
