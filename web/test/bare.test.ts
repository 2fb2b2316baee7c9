import { expect, test } from 'vitest'
import { bare, bareJpeg, barePng } from '../src/data/bare'

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
  expect(await bare(film)).toBe(film)
})
