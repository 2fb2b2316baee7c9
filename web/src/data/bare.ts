/**
 * Photos without what nobody sees in them: where and when they were taken, with which camera, by whom.
 * What decides how they look stays: pixels, colour profile, which way is up.
 */

const JPEG = { restart: 0xd0, start: 0xd8, scan: 0xda, end: 0xd9, app0: 0xe0, app1: 0xe1, app2: 0xe2, app14: 0xee, comment: 0xfe }
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
const PNG_TOLD = new Set(['eXIf', 'tEXt', 'zTXt', 'iTXt', 'tIME'])
const PNG_END = 'IEND'
const ORIENTATION = 0x0112

type Bytes = Uint8Array<ArrayBuffer>

/** The same photo or film, bare. A file of another kind, or one that is broken, comes back as it is. */
export async function bare(file: File): Promise<File> {
  const parts = await partsOf(file)
  return parts ? new File(parts, file.name, { type: file.type, lastModified: file.lastModified }) : file
}

/** By what it is, for names and types err: phones call what they like “.jpg”, and browsers know no type for HEIC. */
async function partsOf(file: File): Promise<BlobPart[] | null> {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer())
  const strip = stripperOf(head)
  if (strip) return strip(new Uint8Array(await file.arrayBuffer()))
  const isBoxes = isAt(head, 4, 'ftyp') && !file.type.startsWith('audio/') // a song's name and singer stay with it
  return isBoxes || FILMS.has(file.type) ? (await import('./bareFilm')).bareFilm(file) : null
}

const FILMS = new Set(['video/mp4', 'video/quicktime'])

function stripperOf(head: Bytes): ((bytes: Bytes) => Bytes[] | null) | undefined {
  if (head[0] === 0xff && head[1] === JPEG.start) return bareJpeg
  if (PNG.every((byte, at) => head[at] === byte)) return barePng
  return isAt(head, 0, 'RIFF') && isAt(head, 8, 'WEBP') ? bareWebp : undefined
}

const isAt = (bytes: Bytes, at: number, name: string): boolean => text(name).every((byte, index) => bytes[at + index] === byte)

/** The pieces that stay; null where nothing goes, or where it is no JPEG. */
export function bareJpeg(bytes: Bytes): Bytes[] | null {
  if (bytes[0] !== 0xff || bytes[1] !== JPEG.start) return null
  const kept: Bytes[] = [bytes.subarray(0, 2)]
  let at = 2
  let isChanged = false
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== JPEG.scan) {
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at += 1 // any number of these may stand before a marker
      isChanged = true
      continue
    }
    const end = at + 2 + view(bytes).getUint16(at + 2)
    if (end <= at + 3 || end > bytes.length) return null
    const segment = bytes.subarray(at, end)
    const stays = isShown(marker, segment) ? segment : upright(marker, segment)
    if (stays) kept.push(stays)
    isChanged ||= stays !== segment
    at = end
  }
  const end = endOfScans(bytes, at)
  return isChanged || end < bytes.length ? [...kept, bytes.subarray(at, end)] : null
}

/**
 * Behind the picture's end. Phones put more there: the seconds of film around the moment, with sound and place, and the
 * same picture once more, with all that was written in it.
 */
function endOfScans(bytes: Bytes, start: number): number {
  for (let at = start; at + 4 <= bytes.length; ) {
    const found = bytes.indexOf(0xff, at)
    const marker = bytes[found + 1]
    if (found < 0 || marker === undefined) break
    if (marker === JPEG.end) return found + 2
    const isData = marker === 0 || marker === 0xff || (marker >= JPEG.restart && marker < JPEG.start)
    at = isData ? found + (marker === 0xff ? 1 : 2) : found + 2 + view(bytes).getUint16(found + 2)
  }
  return bytes.length // it was cut off
}

/** JFIF, colour profile and the colours of Adobe's files, and all that is no application's own; no index of what stood behind. */
const isShown = (marker: number, segment: Bytes): boolean =>
  marker === JPEG.app0 || (marker === JPEG.app2 && !isIndex(segment)) || marker === JPEG.app14 || ((marker & 0xf0) !== 0xe0 && marker !== JPEG.comment)

const isIndex = (segment: Bytes): boolean => same(segment.subarray(4, 8), new Uint8Array([...text('MPF'), 0]))

/** Of Exif the one thing that decides how the photo lies, if it does not lie as it is. */
function upright(marker: number, segment: Bytes): Bytes | null {
  const isExif = marker === JPEG.app1 && isAt(segment, 4, 'Exif')
  const turned = isExif ? orientation(segment.subarray(10)) : 1 // behind the marker, its length, and “Exif\0\0”
  if (turned === 1) return null
  const made = new Uint8Array([0xff, JPEG.app1, 0, 34, ...text('Exif'), 0, 0, ...onlyTurned(turned)])
  return same(made, segment) ? segment : made
}

/** Exif that tells how a photo lies, and nothing else. */
const onlyTurned = (turned: number): number[] => [...text('MM'), 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, turned, 0, 0, 0, 0, 0, 0]

const text = (letters: string): number[] => [...letters].map((letter) => letter.charCodeAt(0))
const same = (one: Bytes, other: Bytes): boolean => one.length === other.length && one.every((byte, at) => byte === other[at])
const view = (bytes: Bytes): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** 1 to 8, as Exif counts; 1 where it says nothing that can be read. */
function orientation(exif: Bytes): number {
  const look = view(exif)
  if (exif.length < 10) return 1
  const isLittle = look.getUint16(0) === 0x4949
  const first = look.getUint32(4, isLittle)
  if (first + 2 > exif.length) return 1
  for (let entry = first + 2, left = look.getUint16(first, isLittle); left > 0 && entry + 12 <= exif.length; entry += 12, left -= 1) {
    if (look.getUint16(entry, isLittle) === ORIENTATION) return known(look.getUint16(entry + 8, isLittle))
  }
  return 1
}

const known = (turned: number): number => (turned >= 1 && turned <= 8 ? turned : 1)

/** The pieces that stay; null where nothing goes, or where it is no PNG. */
export function barePng(bytes: Bytes): Bytes[] | null {
  if (!PNG.every((byte, at) => bytes[at] === byte)) return null
  const kept: Bytes[] = [bytes.subarray(0, PNG.length)]
  let at = PNG.length
  while (at + 12 <= bytes.length) {
    const end = at + 12 + view(bytes).getUint32(at)
    if (end > bytes.length) return null
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    if (!PNG_TOLD.has(name)) kept.push(bytes.subarray(at, end))
    at = end
    if (name === PNG_END) break
  }
  const isWhole = String.fromCharCode(...bytes.subarray(at - 8, at - 4)) === PNG_END
  const all = isWhole ? kept : [...kept, bytes.subarray(at)] // what stands behind the end is no part of the picture
  return all.reduce((sum, piece) => sum + piece.length, 0) === bytes.length ? null : all
}

const WEBP_SHOWN = new Set(['VP8X', 'VP8 ', 'VP8L', 'ALPH', 'ANIM', 'ANMF', 'ICCP'])
const WEBP_HEAD = 12
const HAS_EXIF = 0b1000
const HAS_XMP = 0b0100

/** The pieces that stay, in a RIFF of their size; null where nothing goes, or where it is no WebP. */
export function bareWebp(bytes: Bytes): Bytes[] | null {
  if (!isAt(bytes, 0, 'RIFF') || !isAt(bytes, 8, 'WEBP')) return null
  const end = Math.min(bytes.length, 8 + view(bytes).getUint32(4, true)) // what stands behind is no part of the picture
  const kept: Bytes[] = []
  for (let at = WEBP_HEAD; at + 8 <= end; ) {
    const size = view(bytes).getUint32(at + 4, true)
    const next = at + 8 + size + (size % 2)
    if (at + 8 + size > end) return null
    const name = String.fromCharCode(...bytes.subarray(at, at + 4))
    const stays = WEBP_SHOWN.has(name) ? bytes.subarray(at, next) : name === 'EXIF' ? uprightWebp(bytes.subarray(at, next)) : null
    if (stays) kept.push(stays)
    at = next
  }
  const hasExif = kept.some((chunk) => isAt(chunk, 0, 'EXIF'))
  const pieces = kept.map((chunk) => (isAt(chunk, 0, 'VP8X') ? flagged(chunk, hasExif) : chunk))
  const size = pieces.reduce((sum, piece) => sum + piece.length, 4)
  const head = bytes.slice(0, WEBP_HEAD)
  view(head).setUint32(4, size, true)
  const all = [head, ...pieces]
  const isSame = 8 + size === bytes.length && pieces.every((piece) => piece.buffer === bytes.buffer)
  return isSame ? null : all
}

function uprightWebp(chunk: Bytes): Bytes | null {
  const body = chunk.subarray(8)
  const turned = orientation(isAt(body, 0, 'Exif') ? body.subarray(6) : body) // some writers begin it as JPEG does
  const only = onlyTurned(turned)
  const made = new Uint8Array([...text('EXIF'), only.length, 0, 0, 0, ...only])
  if (turned === 1) return null
  return same(made, chunk) ? chunk : made
}

/** The list of what is in the file says what is there now. */
function flagged(chunk: Bytes, hasExif: boolean): Bytes {
  const made = chunk.slice()
  made[8]! &= ~(HAS_XMP | (hasExif ? 0 : HAS_EXIF))
  return made[8] === chunk[8] ? chunk : made
}
