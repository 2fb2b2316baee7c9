import { boxAt, type Box, type Hole } from './bareFilm'

/**
 * HEIC and AVIF: pictures in boxes. What tells something is an item beside the picture's own, named in one list, with its
 * place in another.
 */

type Bytes = Uint8Array<ArrayBuffer>

const EXIF = 'Exif'
const TOLD = new Set([EXIF, 'mime', 'uri ']) // the second is XMP
const FULL = 4 // version and flags
const NO_EXIF = [0, 0, 0, 0, 0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0] // a whole one, for readers who want one
const IN_FILE = 0
const IN_BOX = 1

/** What stands instead of what the items of this box tell. meta: the box; start: where in the file it begins. */
export function told(meta: Bytes, inside: number, start: number): Hole[] {
  const boxes = new Map<string, Box>()
  for (let box = boxAt(meta, inside + FULL, meta.length); box; box = boxAt(meta, box.end, meta.length)) boxes.set(box.name, box)
  const [list, places] = [boxes.get('iinf'), boxes.get('iloc')]
  if (!list || !places) return []
  try {
    const kinds = kindsOf(meta, list)
    return placesOf(meta, places, start + (boxes.get('idat')?.inside ?? 0)).flatMap(({ id, at, length }) => {
      const kind = kinds.get(id)
      return kind && TOLD.has(kind) && length > 0 ? [{ at, bytes: filling(kind, length) }] : []
    })
  } catch (error) {
    if (error instanceof RangeError) return [] // it is broken
    throw error
  }
}

/** Spaces say nothing in XMP. */
function filling(kind: string, length: number): Bytes {
  const made = new Uint8Array(length).fill(kind === EXIF ? 0 : 0x20)
  if (kind === EXIF && length >= NO_EXIF.length) made.set(NO_EXIF)
  return made
}

/** What each item is, by its number. */
function kindsOf(bytes: Bytes, list: Box): Map<number, string> {
  const kinds = new Map<number, string>()
  const first = list.inside + FULL + (bytes[list.inside] === 0 ? 2 : 4)
  for (let box = boxAt(bytes, first, list.end); box; box = boxAt(bytes, box.end, list.end)) {
    const version = bytes[box.inside]!
    const read = new Reader(bytes, box.inside + FULL)
    const id = read.number(version === 2 ? 2 : 4)
    read.number(2)
    if (box.name === 'infe' && version >= 2) kinds.set(id, String.fromCharCode(...bytes.subarray(read.at, read.at + 4)))
  }
  return kinds
}

/** Where the items' bytes lie in the file. idat: where those begin that lie in the box itself. */
function placesOf(bytes: Bytes, box: Box, idat: number): { id: number; at: number; length: number }[] {
  const version = bytes[box.inside]!
  const read = new Reader(bytes, box.inside + FULL)
  const sizes = read.number(2)
  const [ofOffset, ofLength, ofBase, ofIndex] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15, version > 0 ? sizes & 15 : 0] as const
  const places: { id: number; at: number; length: number }[] = []
  for (let left = read.number(version < 2 ? 2 : 4); left > 0; left--) {
    const id = read.number(version < 2 ? 2 : 4)
    const method = version > 0 ? read.number(2) & 15 : IN_FILE
    read.number(2)
    const base = read.number(ofBase) + (method === IN_BOX ? idat : 0)
    for (let extents = read.number(2); extents > 0; extents--) {
      read.number(ofIndex)
      const at = base + read.number(ofOffset)
      const length = read.number(ofLength)
      if (method === IN_FILE || method === IN_BOX) places.push({ id, at, length })
    }
  }
  return places
}

/** Numbers of so many bytes, one after another. Throws RangeError behind the end. */
class Reader {
  private readonly look: DataView

  constructor(
    bytes: Bytes,
    public at: number,
  ) {
    this.look = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  number(size: number): number {
    let value = 0
    for (let byte = 0; byte < size; byte++) value = value * 256 + this.look.getUint8(this.at++)
    return value
  }
}
