import type { FileKey, FileInfo, SecretFile } from './content'

/** A file's address and what opens it, in one text: whoever passes addresses on need not know which files are encrypted. */
export interface SecretUri {
  uri: string
  key: FileKey
  type: string
  /** the same of a small picture of it */
  small?: string
}

/** Undefined: something is missing that it takes to open it. */
export function secretUri(file: SecretFile | undefined, type = '', small?: string): string | undefined {
  const [url, k, iv, hash] = [file?.url, file?.key?.k, file?.iv, file?.hashes?.sha256]
  if (!url || url.includes('#') || !k || !iv || !hash) return undefined
  return `${url}#${new URLSearchParams({ k, iv, hash, type, ...(small && { small }) })}`
}

/** Of a file that a message names, with its small picture. */
export function secretUriOf(file: SecretFile | undefined, info: FileInfo): string | undefined {
  return secretUri(file, info.mimetype, secretUri(info.thumbnail_file, info.thumbnail_info?.mimetype))
}

/** With all that the protocol wants of it, for of what others sent no more is kept than opens it. */
export const wholeFile = (file: SecretFile): SecretFile => ({ ...file, v: 'v2', key: { kty: 'oct', alg: 'A256CTR', ext: true, key_ops: ['encrypt', 'decrypt'], ...file.key } }) as SecretFile

/** Undefined: the address of a file that is not encrypted. */
export function readSecretUri(text: string): SecretUri | undefined {
  const [uri = '', tail] = text.split('#')
  if (tail === undefined) return undefined
  const values = new URLSearchParams(tail)
  const small = values.get('small')
  const [k, iv, sha256] = ['k', 'iv', 'hash'].map((name) => values.get(name) ?? '') as [string, string, string]
  return { uri, key: { key: { k }, iv, hashes: { sha256 } }, type: values.get('type') ?? '', ...(small && { small }) }
}
