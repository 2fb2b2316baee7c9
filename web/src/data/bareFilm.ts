/**
 * Films, and HEIC and AVIF, without where and when they were taken, and with which camera: boxes in boxes. What
 * tells such things becomes empty room of the same size, so that everything else stays where the film says it is.
 */

type Bytes = Uint8Array<ArrayBuffer>

export interface Box {
  name: string
  /** where it begins, where what is in it begins, and where it ends */
  start: number
  inside: number
  end: number
}

const HEAD = 16
const MOVIE = 'moov'
const META = 'meta'
const AT_TOP = new Set([MOVIE, META, 'udta', 'uuid'])
const MOVIE_MAX = 2 ** 26 // an index of many hours
const BOXES_MAX = 1_000 // at the top of a file; a film in fragments has some for each second, and its index before them
const HOLDERS = new Set(['trak', 'mdia'])
const TOLD = new Set(['udta', 'meta', 'uuid'])
const DATED = new Set(['mvhd', 'tkhd', 'mdhd'])

/** The pieces of the same film or picture; null where nothing goes, or where it is none. */
export async function bareFilm(file: Blob): Promise<BlobPart[] | null> {
  const holes = (await Promise.all((await topOf(file)).map((box) => holesIn(file, box)))).flat().sort((one, other) => one.at - other.at)
  const parts: BlobPart[] = []
  let at = 0
  for (const hole of holes) {
    if (hole.at < at || hole.at + hole.bytes.length > file.size) return null
    parts.push(file.slice(at, hole.at), hole.bytes)
    at = hole.at + hole.bytes.length
  }
  return holes.length > 0 ? [...parts, file.slice(at)] : null
}

/** What stands in a place instead. */
export interface Hole {
  at: number
  bytes: Bytes
}

/** The boxes at the top that tell something. */
async function topOf(file: Blob): Promise<Box[]> {
  const found: Box[] = []
  let at = 0
  for (let count = 0; at + 8 <= file.size && count < BOXES_MAX; count++) {
    const box = boxAt(new Uint8Array(await file.slice(at, at + HEAD).arrayBuffer()), 0, file.size - at)
    if (!box) break
    if (AT_TOP.has(box.name) && box.end <= MOVIE_MAX) found.push({ ...box, start: at, inside: at + box.inside, end: at + box.end })
    at += box.end
  }
  return found
}

async function holesIn(file: Blob, box: Box): Promise<Hole[]> {
  const bytes = new Uint8Array(await file.slice(box.start, box.end).arrayBuffer())
  const inside = box.inside - box.start
  if (box.name === META) return (await import('./bareHeif')).told(bytes, inside, box.start)
  const isChanged = box.name === MOVIE ? empty(bytes, inside, bytes.length) : blank(bytes, { ...box, start: 0, inside, end: bytes.length })
  return isChanged ? [{ at: box.start, bytes }] : []
}

/** Undefined: no box can stand there. room: how far it may reach. */
export function boxAt(bytes: Bytes, at: number, room: number): Box | undefined {
  const look = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (at + 8 > bytes.length) return undefined
  const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
  const told = look.getUint32(at)
  const isLong = told === 1 && at + HEAD <= bytes.length
  const size = isLong ? Number(look.getBigUint64(at + 8)) : told === 0 ? room - at : told
  const inside = at + (isLong ? HEAD : 8)
  return at + size < inside || at + size > room ? undefined : { name, start: at, inside, end: at + size }
}

/** Empties what tells something, in place. Returns whether anything did. */
function empty(bytes: Bytes, from: number, to: number): boolean {
  let isChanged = false
  for (let box = boxAt(bytes, from, to); box; box = boxAt(bytes, box.end, to)) {
    if (TOLD.has(box.name)) isChanged = blank(bytes, box) || isChanged
    else if (DATED.has(box.name)) isChanged = undated(bytes, box) || isChanged
    else if (HOLDERS.has(box.name)) isChanged = empty(bytes, box.inside, box.end) || isChanged
    if (box.end >= to) break
  }
  return isChanged
}

function blank(bytes: Bytes, { start, inside, end }: Box): true {
  bytes.set([...'free'].map((letter) => letter.charCodeAt(0)), start + 4)
  bytes.fill(0, inside, end)
  return true
}

/** When it was made and changed: two numbers behind its version. */
function undated(bytes: Bytes, { inside, end }: Box): boolean {
  const dates = bytes.subarray(inside + 4, Math.min(end, inside + (bytes[inside] === 1 ? 20 : 12)))
  const isTold = dates.some((byte) => byte !== 0)
  dates.fill(0)
  return isTold
}
