/** Blurhash: what a picture looks like from far away, in some thirty characters. For the time until it is there. */

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~'
const VALUES = new Map([...DIGITS].map((digit, value) => [digit, value]))

type Colour = [number, number, number]

const toLinear = (value: number): number => {
  const share = value / 255
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
}

function toByte(linear: number): number {
  const share = Math.max(0, Math.min(1, linear))
  return Math.round(255 * (share <= 0.0031308 ? share * 12.92 : 1.055 * share ** (1 / 2.4) - 0.055))
}

const signedPower = (value: number, power: number): number => Math.sign(value) * Math.abs(value) ** power

function write(value: number, length: number): string {
  let text = ''
  for (let place = 1; place <= length; place++) text += DIGITS[Math.floor(value / 83 ** (length - place)) % 83]
  return text
}

const read = (text: string): number => [...text].reduce((sum, digit) => sum * 83 + VALUES.get(digit)!, 0)

/** A blurhash of pixels (red, green, blue, alpha of each), of `across` × `down` waves, 1 to 9 each. */
export function encode(pixels: Uint8ClampedArray, width: number, height: number, across: number, down: number): string {
  const waves: Colour[] = []
  for (let y = 0; y < down; y++) for (let x = 0; x < across; x++) waves.push(wave(pixels, width, height, x, y))
  const [mean, ...others] = waves as [Colour, ...Colour[]]
  const loudest = Math.max(0, ...others.flat().map(Math.abs))
  const level = others.length > 0 ? Math.max(0, Math.min(82, Math.floor(loudest * 166 - 0.5))) : 0
  const unit = others.length > 0 ? (level + 1) / 166 : 1
  const step = (value: number) => Math.max(0, Math.min(18, Math.floor(signedPower(value / unit, 0.5) * 9 + 9.5)))
  const detail = others.map(([red, green, blue]) => write((step(red) * 19 + step(green)) * 19 + step(blue), 2))
  const [red, green, blue] = mean.map(toByte) as Colour
  return write(across - 1 + (down - 1) * 9, 1) + write(level, 1) + write((red << 16) + (green << 8) + blue, 4) + detail.join('')
}

function wave(pixels: Uint8ClampedArray, width: number, height: number, across: number, down: number): Colour {
  const sum: Colour = [0, 0, 0]
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const share = Math.cos((Math.PI * across * x) / width) * Math.cos((Math.PI * down * y) / height)
      const at = 4 * (y * width + x)
      for (const part of [0, 1, 2] as const) sum[part] += share * toLinear(pixels[at + part]!)
    }
  }
  const scale = (across === 0 && down === 0 ? 1 : 2) / (width * height)
  return sum.map((part) => part * scale) as Colour
}

/** The pixels of a blurhash; null for a text that is none. Anybody may send anything. */
export function decode(hash: string, width: number, height: number): Uint8ClampedArray<ArrayBuffer> | null {
  if (hash.length < 6 || ![...hash].every((digit) => VALUES.has(digit))) return null
  const across = (read(hash[0]!) % 9) + 1
  const down = Math.floor(read(hash[0]!) / 9) + 1
  if (hash.length !== 4 + 2 * across * down) return null
  return drawn(wavesOf(hash), across, width, height)
}

function wavesOf(hash: string): Colour[] {
  const unit = (read(hash[1]!) + 1) / 166
  const mean = read(hash.slice(2, 6))
  const part = (step: number) => signedPower((step - 9) / 9, 2) * unit
  const waves: Colour[] = [[toLinear(mean >> 16), toLinear((mean >> 8) & 255), toLinear(mean & 255)]]
  for (let at = 6; at < hash.length; at += 2) {
    const value = read(hash.slice(at, at + 2))
    waves.push([part(Math.floor(value / 361)), part(Math.floor(value / 19) % 19), part(value % 19)])
  }
  return waves
}

function drawn(waves: readonly Colour[], across: number, width: number, height: number): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(4 * width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour: Colour = [0, 0, 0]
      waves.forEach((wave, index) => {
        const share = Math.cos((Math.PI * x * (index % across)) / width) * Math.cos((Math.PI * y * Math.floor(index / across)) / height)
        for (const part of [0, 1, 2] as const) colour[part] += wave[part] * share
      })
      pixels.set([...colour.map(toByte), 255], 4 * (y * width + x))
    }
  }
  return pixels
}
