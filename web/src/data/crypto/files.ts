import type { FileKey } from '../content'
import { fromBase64, random, toBase64, toBase64Url, type Bytes } from './bytes'

const COUNTER_BITS = 64 // the other half of the first block is random
const NO_TYPE = 'application/octet-stream'

/** A file as it is uploaded, and what opens it. */
export interface SealedFile {
  blob: Blob
  key: FileKey
  small?: SealedPicture
}

/** A small picture of a photo: the server, which makes them elsewhere, cannot see this one. uri: once it is there. */
export interface SealedPicture {
  blob: Blob
  key: FileKey
  info: { w: number; h: number; size: number; mimetype: string }
  uri?: string
}

const SMALL_PX = 640
const SMALL_BYTES = 2 ** 17 // what is smaller than that needs no small picture

const counter = (iv: Bytes) => ({ name: 'AES-CTR', counter: iv, length: COUNTER_BITS })

/** Encrypts a file with a key of its own. The browser does it, beside the page's thread. */
export async function sealFile(file: Blob): Promise<SealedFile> {
  const iv = new Uint8Array(16)
  iv.set(random(8))
  const secret = random(32)
  const key = await crypto.subtle.importKey('raw', secret, 'AES-CTR', false, ['encrypt'])
  const bytes = await crypto.subtle.encrypt(counter(iv), key, await file.arrayBuffer())
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const jwk = { kty: 'oct', alg: 'A256CTR', ext: true, key_ops: ['encrypt', 'decrypt'], k: toBase64Url(secret) }
  return { blob: new Blob([bytes], { type: NO_TYPE }), key: { v: 'v2', key: jwk, iv: toBase64(iv), hashes: { sha256: toBase64(hash) } } }
}

/** The same with a small picture, if it is a large photo. */
export async function sealAttachment(file: Blob): Promise<SealedFile> {
  const small = await smallPicture(file).catch(() => undefined)
  const sealed = await sealFile(file)
  if (!small) return sealed
  const { blob, key } = await sealFile(small.blob)
  return { ...sealed, small: { blob, key, info: small.info } }
}

async function smallPicture(file: Blob): Promise<{ blob: Blob; info: SealedPicture['info'] } | undefined> {
  if (!file.type.startsWith('image/')) return undefined
  const picture = await createImageBitmap(file)
  const share = Math.min(1, SMALL_PX / Math.max(picture.width, picture.height))
  if (share === 1 && file.size < SMALL_BYTES) return undefined
  const [w, h] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * share))) as [number, number]
  const canvas = new OffscreenCanvas(w, h)
  canvas.getContext('2d')?.drawImage(picture, 0, 0, w, h)
  picture.close()
  const blob = await canvas.convertToBlob({ type: 'image/webp', quality: 0.8 })
  return { blob, info: { w, h, size: blob.size, mimetype: blob.type } }
}

/** The file again. Throws when it is not the one that the key was made for. */
export async function openFile(blob: Blob, sealed: FileKey, type: string): Promise<Blob> {
  const bytes = await blob.arrayBuffer()
  const hash = toBase64(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
  if (hash !== sealed.hashes.sha256.replace(/=+$/, '')) throw new Error('this is another file than the one that was sent')
  const key = await crypto.subtle.importKey('raw', fromBase64(sealed.key.k), 'AES-CTR', false, ['decrypt'])
  return new Blob([await crypto.subtle.decrypt(counter(fromBase64(sealed.iv)), key, bytes)], { type })
}
