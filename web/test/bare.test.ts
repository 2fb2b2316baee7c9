import { expect, test } from 'vitest'
import { bare, bareJpeg, barePng, bareWebp } from '../src/data/bare'

const bytes = (...parts: (string | number | number[])[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(parts.flatMap((part) => (typeof part === 'string' ? [...part].map((letter) => letter.charCodeAt(0)) : part)))
const segment = (marker: number, body: Uint8Array): number[] => [0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 255, ...body]
const joined = (pieces: Uint8Array[] | null): number[] => (pieces ?? []).flatMap((piece) => [...piece])

/** Exif with an orientation, and with a place behind it. little: the order of bytes. */
function exif(turned: number, little: boolean): Uint8Array {
  const two = (value: number): number[] => (little ? [value & 255, value >> 8] : [value >> 8, value & 255])
  const four = (value: number): number[] => (little ? [...two(value), 0, 0] : [0, 0, ...two(value)])
  const orientation = [...two(0x0112), ...two(3), ...four(1), ...two(turned), 0, 0]
  const place = [...two(0x8825), ...two(4), ...four(1), ...four(38)]
  return bytes('Exif', [0, 0], little ? 'II' : 'MM', two(42), four(8), two(2), orientation, place, four(0), '37.5665N 126.9780E')
}

const jfif = segment(0xe0, bytes('JFIF', [0, 1, 1, 0, 0, 1, 0, 1, 0, 0]))
const colours = segment(0xe2, bytes('ICC_PROFILE', [0, 1, 1], 'abc'))
const table = segment(0xdb, bytes([0, 1, 2, 3]))
const pixels = [0xff, 0xda, 0, 3, 1, 9, 8, 7, 0xff, 0xd9]
const jpeg = (...segments: number[][]): Uint8Array<ArrayBuffer> => bytes([0xff, 0xd8], ...segments, pixels)

test('a photo tells neither place nor author', () => {
  const told = jpeg(jfif, segment(0xe1, exif(1, true)), segment(0xe1, bytes('http://ns.adobe.com/xap/1.0/', [0], '<x/>')), segment(0xed, bytes('Photoshop 3.0')), segment(0xfe, bytes('by me')), colours, table)
  expect(joined(bareJpeg(told))).toEqual([...jpeg(jfif, colours, table)])
})

test('nothing that stands behind a photo goes along, such as a film of the moment', () => {
  const index = segment(0xe2, bytes('MPF', [0], 'where the others are'))
  const scans = [0xff, 0xda, 0, 3, 1, 9, 0xff, 0, 8, 0xff, 0xd3, 7, ...segment(0xc4, bytes('a table')), 0xff, 0xff, 0xda, 0, 3, 1, 6, 0xff, 0xd9]
  const photo = bytes([0xff, 0xd8], table, scans)
  const told = bytes([0xff, 0xd8], index, table, scans, [...jpeg(segment(0xe1, exif(1, true)))], 'ftypmp42 37.5665N')
  expect(joined(bareJpeg(told))).toEqual([...photo])
  expect(bareJpeg(photo)).toBeNull()
  const cut = bytes([0xff, 0xd8], table, scans.slice(0, -2))
  expect(bareJpeg(cut)).toBeNull()
  const png = bytes(head, chunk('IHDR', 'x'), chunk('IEND'))
  expect(joined(barePng(bytes([...png], 'where')))).toEqual([...png])
})

test('what fills the gap before a segment hides none', () => {
  const told = bytes([0xff, 0xd8], table, [0xff, 0xff, 0xff], segment(0xe1, exif(1, true)), pixels)
  expect(joined(bareJpeg(told))).toEqual([...jpeg(table)])
})

test.each([true, false])('a photo that lies on its side still does (little endian: %s)', (little) => {
  const once = joined(bareJpeg(jpeg(segment(0xe1, exif(6, little)), table)))
  expect(String.fromCharCode(...once)).not.toContain('37.5665')
  expect(once.slice(2, 4)).toEqual([0xff, 0xe1])
  expect(once[2 + 2 + 2 + 6 + 8 + 2 + 8 + 1]).toBe(6)
  expect(bareJpeg(new Uint8Array(once))).toBeNull() // what is bare stays as it is, to the byte
})

test.each([
  ['no photo', bytes('GIF89a')],
  ['one that ends in a segment', bytes([0xff, 0xd8, 0xff, 0xe1, 0xff, 0xff, 1])],
  ['a segment that is shorter than its own length', bytes([0xff, 0xd8, 0xff, 0xe1, 0, 0, 1, 1])],
  ['one that tells nothing', jpeg(jfif, table)],
])('%s stays as it is', (_, given) => {
  expect(bareJpeg(given)).toBeNull()
})

const chunk = (name: string, body = ''): number[] => [0, 0, 0, body.length, ...bytes(name, body), 1, 2, 3, 4]
const head = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

test('a PNG tells nothing either', () => {
  const told = bytes(head, chunk('IHDR', 'x'), chunk('eXIf', 'where'), chunk('tEXt', 'who'), chunk('iCCP', 'c'), chunk('IDAT', 'd'), chunk('IEND'))
  expect(joined(barePng(told))).toEqual([...bytes(head, chunk('IHDR', 'x'), chunk('iCCP', 'c'), chunk('IDAT', 'd'), chunk('IEND'))])
  expect(barePng(bytes(head, chunk('IHDR', 'x'), chunk('IEND')))).toBeNull()
  expect(barePng(bytes(head, [0, 0, 9, 9], 'IDAT'))).toBeNull()
})

test('the file keeps its name and kind; another kind is left alone', async () => {
  const photo = new File([jpeg(segment(0xe1, exif(1, false)), table)], 'a.jpg', { type: 'image/jpeg' })
  const made = await bare(photo)
  expect([made.name, made.type, made.size]).toEqual(['a.jpg', 'image/jpeg', jpeg(table).length])
  const film = new File(['x'], 'a.mp4', { type: 'video/mp4' })
  const other = new File(['x'], 'a.pdf', { type: 'application/pdf' })
  expect(await bare(other)).toBe(other)
  expect(await bare(film)).toBe(film)
})

// --- films ---

const size = (bytes: number): number[] => [(bytes >> 24) & 255, (bytes >> 16) & 255, (bytes >> 8) & 255, bytes & 255]
const box = (name: string, ...parts: (string | number | number[])[]): number[] => {
  const body = bytes(...parts)
  return [...size(body.length + 8), ...bytes(name), ...body]
}
const dated = (name: string, version: number, ...rest: number[]): number[] => box(name, [version, 0, 0, 0], Array(version === 1 ? 16 : 8).fill(7), rest)
const film = async (...boxes: number[][]): Promise<number[]> => {
  const made = await bare(new File([bytes(...boxes)], 'a.mp4', { type: 'video/mp4' }))
  return [...new Uint8Array(await made.arrayBuffer())]
}

test('a film tells neither place nor time nor camera, and everything stands where it stood', async () => {
  const place = box('udta', box('\u00a9xyz', '+37.5665+126.9780/'))
  const matrix = Array.from({ length: 36 }, (_, at) => at) // which way is up
  const track = box('trak', dated('tkhd', 0, ...matrix), box('meta', 'com.apple.camera'), box('mdia', dated('mdhd', 1, 5), box('hdlr', 'vide')))
  const told = [box('ftyp', 'mp42'), box('mdat', 'pixels'), box('moov', dated('mvhd', 0, 9), place, track), box('free', 'x')]
  const made = await film(...told)
  expect(made).toHaveLength(told.flat().length)
  const text = String.fromCharCode(...made)
  for (const gone of ['37.5665', 'xyz', 'com.apple', 'udta', 'meta', '\u0007\u0007']) expect(text, gone).not.toContain(gone)
  for (const kept of ['pixels', 'vide', 'mvhd', 'tkhd', String.fromCharCode(...matrix)]) expect(text.indexOf(kept), kept).toBe(String.fromCharCode(...told.flat()).indexOf(kept))
  const again = new File([bytes(made.flat())], 'a.mp4', { type: 'video/mp4' })
  expect(await bare(again)).toBe(again)
})

test.each([
  ['a box that is longer than the film', [box('ftyp', 'mp42'), [0, 0, 9, 9, ...bytes('moov', 'udta')]]],
  ['a box of no size', [[0, 0, 0, 2, ...bytes('moov')], box('udta', 'x')]],
  ['an index that is broken inside', [box('moov', [0, 0, 9, 9], 'udta', '37.5')]],
  ['no film', [[...bytes('GIF89a and more')]]],
])('%s stays as it is', async (_, boxes) => expect(await film(...boxes)).toEqual(boxes.flat()))

test('the last box may say that it goes on to the end, and a long one its size in eight bytes', async () => {
  const movie = box('udta', '37.5665')
  const told = [box('ftyp', 'mp42'), [0, 0, 0, 1, ...bytes('mdat'), 0, 0, 0, 0, 0, 0, 0, 22, ...bytes('pixels')], [0, 0, 0, 0, ...bytes('moov'), ...movie]]
  const text = String.fromCharCode(...(await film(...told)))
  expect([text.includes('pixels'), text.includes('37.5665')]).toEqual([true, false])
})

test('what follows a film tells nothing either', async () => {
  const told = [box('ftyp', 'mp42'), box('moov', 'x'), box('uuid', '<x:xmpmeta>37.5665'), box('mdat', 'pixels')]
  const text = String.fromCharCode(...(await film(...told)))
  expect([text.includes('pixels'), text.includes('37.5665'), text.length]).toEqual([true, false, told.flat().length])
})

// --- WebP ---

const four = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >> 24]
const part = (name: string, body: Uint8Array): number[] => [...bytes(name), ...four(body.length), ...body, ...(body.length % 2 ? [0] : [])]
const webp = (...parts: number[][]): Uint8Array<ArrayBuffer> => bytes('RIFF', four(parts.flat().length + 4), 'WEBP', ...parts)
const extended = (flags: number): number[] => part('VP8X', bytes([flags, 0, 0, 0, 9, 0, 0, 9, 0, 0]))
const frame = part('VP8 ', bytes('pixels!'))
const profile = part('ICCP', bytes('colours'))

test('a WebP tells neither place nor author', () => {
  const told = webp(extended(0b101100), profile, frame, part('EXIF', exif(1, true).subarray(6)), part('XMP ', bytes('<x/>')), part('mine', bytes('who')))
  expect(joined(bareWebp(told))).toEqual([...webp(extended(0b100000), profile, frame)])
  expect(joined(bareWebp(bytes([...webp(frame)], 'behind it')))).toEqual([...webp(frame)])
})

test.each([0, 6])('a WebP that lies on its side still does (Exif begins at %s)', (from) => {
  const once = new Uint8Array(joined(bareWebp(webp(extended(0b1000), frame, part('EXIF', exif(6, from === 0).subarray(from))))))
  const text = String.fromCharCode(...once)
  expect([text.includes('37.5665'), text.includes('EXIF'), once[20]]).toEqual([false, true, 0b1000])
  expect(once[text.indexOf('EXIF') + 8 + 10 + 9]).toBe(6)
  expect([once.length, bareWebp(once)]).toEqual([8 + once[4]!, null])
})

test.each([
  ['one that tells nothing', webp(extended(0b10000), profile, frame)],
  ['one whose part is longer than it', bytes('RIFF', four(20), 'WEBP', 'EXIF', four(999), 'xxxx')],
  ['another RIFF', bytes('RIFF', four(4), 'WAVE')],
])('%s stays as it is', (_, given) => expect(bareWebp(given)).toBeNull())

test('a photo is known by what it is, not by what it is called', async () => {
  const photo = jpeg(segment(0xe1, exif(1, false)), table)
  for (const type of ['', 'image/png', 'application/octet-stream']) expect((await bare(new File([photo], 'a', { type }))).size, type).toBe(jpeg(table).length)
})

// --- HEIC and AVIF ---

const two = (value: number): number[] => [value >> 8, value & 255]

/** A picture with Exif behind it, and XMP in the box itself. version: of the list of places. */
function heif(version: 0 | 1 | 2): number[] {
  const id = (value: number): number[] => (version === 2 ? size(value) : two(value))
  const named = (number: number, kind: string): number[] => box('infe', [2, 0, 0, 0], two(number), [0, 0], kind)
  const place = (number: number, method: number, at: number, length: number): number[] => [...id(number), ...(version > 0 ? two(method) : []), 0, 0, ...two(1), ...size(at), ...size(length)]
  const made = (exifAt: number, xmpAt: number): number[] => {
    const iloc = box('iloc', [version, 0, 0, 0], [0x44, 0], id(3), place(1, 0, exifAt + 40, 6), place(2, 0, exifAt, 40), place(3, version > 0 ? 1 : 0, xmpAt, 12))
    const meta = box('meta', [0, 0, 0, 0], box('hdlr', 'pict'), box('iinf', [0, 0, 0, 0], two(3), named(1, 'av01'), named(2, 'Exif'), named(3, 'mime')), iloc, box('idat', '<xmp> by me!'))
    return [...box('ftyp', 'avif'), ...meta, ...box('mdat', 'Exif 37.5665N 126.9780E'.padEnd(40, '.'), 'pixels')]
  }
  const text = String.fromCharCode(...made(0, 0))
  return made(text.indexOf('mdat') + 4, version > 0 ? 0 : text.indexOf('idat') + 4)
}

test.each([0, 1, 2] as const)('AVIF and HEIC tell nothing, and everything stands where it stood (version %s)', async (version) => {
  const told = heif(version)
  const made = new Uint8Array(await (await bare(new File([bytes(told)], 'a.heic'))).arrayBuffer())
  const text = String.fromCharCode(...made)
  expect([made.length, text.includes('37.5665'), text.includes('by me'), text.indexOf('pixels')]).toEqual([told.length, false, false, String.fromCharCode(...told).indexOf('pixels')])
})

test('a list of places that ends too soon leaves the picture as it is', async () => {
  const cut = new File([bytes(box('ftyp', 'avif'), box('meta', [0, 0, 0, 0], box('iinf', [0, 0, 0, 0], two(0)), box('iloc', [0, 0, 0, 0], [0x44, 0], two(9))))], 'a.avif')
  expect(await bare(cut)).toBe(cut)
})
