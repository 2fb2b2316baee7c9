import { Refused } from '../../net/errors'
import type { Keys } from '../../net/keys'
import type { Json, Matrix } from '../../net/matrix'
import { fromBase64, random, toBase64, utf8, type Bytes } from './bytes'

const ALGORITHM = 'm.secret_storage.v1.aes-hmac-sha2'
const DEFAULT = 'm.secret_storage.default_key'
const PREFIX = [0x8b, 0x01]
const KEY_BYTES = 32
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

interface Sealed {
  iv: string
  ciphertext: string
  mac: string
}

// --- the recovery key as people see it: base58 in groups of four, with a byte that finds slips of the pen ---

const parity = (bytes: Uint8Array): number => bytes.reduce((all, byte) => all ^ byte, 0)

export function writeRecoveryKey(key: Uint8Array): string {
  const bytes = Uint8Array.from([...PREFIX, ...key])
  let rest = [...bytes, parity(bytes)].reduce((all, byte) => all * 256n + BigInt(byte), 0n)
  let text = ''
  for (; rest > 0n; rest /= 58n) text = ALPHABET[Number(rest % 58n)]! + text
  return text.replace(/.{4}(?=.)/g, '$& ')
}

export function readRecoveryKey(typed: string): Bytes {
  let rest = 0n
  for (const char of typed.replace(/[\s-]/g, '')) {
    const digit = ALPHABET.indexOf(char)
    if (digit < 0) throw wrongKey()
    rest = rest * 58n + BigInt(digit)
  }
  const bytes = new Uint8Array(PREFIX.length + KEY_BYTES + 1)
  for (let at = bytes.length - 1; at >= 0; at--, rest /= 256n) bytes[at] = Number(rest % 256n)
  if (rest > 0n || parity(bytes) !== 0 || PREFIX.some((byte, at) => bytes[at] !== byte)) throw wrongKey()
  return bytes.slice(PREFIX.length, -1)
}

const wrongKey = (): Refused => new Refused(400, 'BONGSU_RECOVERY_KEY', '')

// --- secrets under that key ---

async function derive(key: Bytes, name: string): Promise<{ aes: CryptoKey; hmac: CryptoKey }> {
  const base = await crypto.subtle.importKey('raw', key, 'HKDF', false, ['deriveBits'])
  const wanted = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(32), info: utf8(name) }
  const bits = await crypto.subtle.deriveBits(wanted, base, 512)
  const aes = await crypto.subtle.importKey('raw', bits.slice(0, 32), 'AES-CTR', false, ['encrypt', 'decrypt'])
  const hmac = await crypto.subtle.importKey('raw', bits.slice(32), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
  return { aes, hmac }
}

const counter = (iv: Bytes) => ({ name: 'AES-CTR', counter: iv, length: 64 })

export async function sealSecret(key: Bytes, name: string, secret: string, iv = newIv()): Promise<Sealed> {
  const { aes, hmac } = await derive(key, name)
  const bytes = await crypto.subtle.encrypt(counter(iv), aes, utf8(secret))
  const mac = await crypto.subtle.sign('HMAC', hmac, bytes)
  return { iv: toBase64(iv), ciphertext: toBase64(new Uint8Array(bytes)), mac: toBase64(new Uint8Array(mac)) }
}

export async function openSecret(key: Bytes, name: string, sealed: Sealed): Promise<string> {
  const { aes, hmac } = await derive(key, name)
  const bytes = fromBase64(sealed.ciphertext)
  if (!(await crypto.subtle.verify('HMAC', hmac, fromBase64(sealed.mac), bytes))) throw wrongKey()
  return new TextDecoder().decode(await crypto.subtle.decrypt(counter(fromBase64(sealed.iv)), aes, bytes))
}

/** One bit stays zero, because some platforms carry into it. */
function newIv(): Bytes {
  const iv = random(16)
  iv[8]! &= 0x7f
  return iv
}

/** By what it is known later that this key is the one: the protocol has zeros encrypted with it. */
async function check(key: Bytes, iv?: Bytes): Promise<{ iv: string; mac: string }> {
  const { iv: used, mac } = await sealSecret(key, '', '\0'.repeat(32), iv)
  return { iv: used, mac }
}

/** The account's secrets, on the server, where only the recovery key opens them. */
export class SecretStorage {
  constructor(
    private readonly keys: Keys,
    private readonly matrix: Matrix,
    private readonly user: string,
  ) {}

  async exists(): Promise<boolean> {
    return (await this.keys.accountData(this.user, DEFAULT))?.['key'] !== undefined
  }

  /** Keeps secrets under a new recovery key, which it returns. The key is named the one to use when all of them are there. */
  async create(secrets: Record<string, string>): Promise<string> {
    const key = random(KEY_BYTES)
    const id = toBase64(random(18)).replace(/[^A-Za-z0-9]/g, 'x')
    await this.put(`m.secret_storage.key.${id}`, { algorithm: ALGORITHM, ...(await check(key)) })
    for (const [name, secret] of Object.entries(secrets)) {
      const before = (await this.keys.accountData(this.user, name))?.['encrypted']
      await this.put(name, { encrypted: { ...(before as Json | undefined), [id]: await sealSecret(key, name, secret) } })
    }
    await this.put(DEFAULT, { key: id })
    return writeRecoveryKey(key)
  }

  /** A look at secrets with a recovery key. Rejects when it is not the one. */
  async open(recoveryKey: string): Promise<(name: string) => Promise<string | undefined>> {
    const key = readRecoveryKey(recoveryKey)
    const id = (await this.keys.accountData(this.user, DEFAULT))?.['key'] as string | undefined
    const info = id && (await this.keys.accountData(this.user, `m.secret_storage.key.${id}`))
    if (!info) throw new Refused(404, 'BONGSU_NO_RECOVERY', '')
    if (info['algorithm'] !== ALGORITHM) throw new Refused(400, 'BONGSU_ALGORITHM', '')
    await fits(key, info)
    return async (name) => {
      const sealed = (await this.keys.accountData(this.user, name))?.['encrypted'] as Record<string, Sealed> | undefined
      return sealed?.[id] && openSecret(key, name, sealed[id])
    }
  }

  private put(type: string, content: Json): Promise<unknown> {
    return this.matrix.setAccountData(this.user, type, content)
  }
}

async function fits(key: Bytes, { iv, mac }: { iv?: unknown; mac?: unknown }): Promise<void> {
  if (typeof iv !== 'string' || typeof mac !== 'string') return // nothing to check it by; the secrets themselves tell
  if ((await check(key, fromBase64(iv))).mac !== mac.replace(/=+$/, '')) throw wrongKey()
}
