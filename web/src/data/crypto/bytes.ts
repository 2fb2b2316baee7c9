/** Bytes that own their memory, as the browser's cryptography wants them. */
export type Bytes = Uint8Array<ArrayBuffer>

export const random = (count: number): Bytes => crypto.getRandomValues(new Uint8Array(count))

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text)

/** Base64 without padding. */
export function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')).replace(/=+$/, '')
}

/** Of either alphabet, padded or not. */
export function fromBase64(text: string): Bytes {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
}

export const toBase64Url = (bytes: Uint8Array): string => toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_')
