import { newDevice, type Login, type Matrix } from '../net/matrix'

/** One that the server knows of this account. Times in milliseconds since the epoch. */
export interface Passkey {
  passkey_id: string
  name: string
  created_ts: number
  used_ts?: number
}

interface Named {
  id: string
  type: 'public-key'
}

/** What the server asks of an authenticator: as WebAuthn has it, with bytes as text. */
export interface ToMake {
  challenge: string
  user: { id: string; name: string; displayName: string }
  excludeCredentials?: Named[]
}

export interface ToShow {
  challenge: string
  allowCredentials?: Named[]
}

const PATH = '/_bongsu/v1/passkeys'

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0))
}

export function textOf(bytes: ArrayBuffer): string {
  const plain = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join('')
  return btoa(plain).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

const named = (list: Named[] | undefined): PublicKeyCredentialDescriptor[] => (list ?? []).map(({ id, type }) => ({ id: bytesOf(id), type }))

export function makeOptions(asked: ToMake): PublicKeyCredentialCreationOptions {
  const user = { ...asked.user, id: bytesOf(asked.user.id) }
  const options = { ...asked, user, challenge: bytesOf(asked.challenge), excludeCredentials: named(asked.excludeCredentials) }
  return options as unknown as PublicKeyCredentialCreationOptions
}

export function showOptions(asked: ToShow): PublicKeyCredentialRequestOptions {
  return { ...asked, challenge: bytesOf(asked.challenge), allowCredentials: named(asked.allowCredentials) }
}

/** A credential as the server reads it. */
export function said(credential: PublicKeyCredential): Record<string, unknown> {
  const { response } = credential
  const parts: Record<string, string> = { clientDataJSON: textOf(response.clientDataJSON) }
  if ('attestationObject' in response) parts['attestationObject'] = textOf((response as AuthenticatorAttestationResponse).attestationObject)
  if ('signature' in response) {
    const shown = response as AuthenticatorAssertionResponse
    parts['signature'] = textOf(shown.signature)
    parts['authenticatorData'] = textOf(shown.authenticatorData)
    if (shown.userHandle) parts['userHandle'] = textOf(shown.userHandle)
  }
  return { id: credential.id, rawId: textOf(credential.rawId), type: credential.type, response: parts }
}

/** Passkeys belong to names: browsers make none for an address of digits. */
export const canHavePasskeys = (host: string): boolean => typeof PublicKeyCredential === 'function' && !/^[\d.]+$|^\[/.test(host)

export const listed = async (matrix: Matrix): Promise<Passkey[]> => (await matrix.call<{ passkeys: Passkey[] }>('GET', PATH)).passkeys

/** The browser asks for finger, face or PIN in between; what it throws is a DOMException. */
export async function make(matrix: Matrix, user: string, password: string, name: string): Promise<void> {
  const asked = (await matrix.proven('POST', `${PATH}/ask`, {}, user, password)) as ToMake
  const credential = (await navigator.credentials.create({ publicKey: makeOptions(asked) })) as PublicKeyCredential
  try {
    await matrix.call('POST', PATH, { credential: said(credential), name })
  } catch (error) {
    const known = await listed(matrix).catch(() => []) // the answer may have been lost, and not the passkey
    if (!known.some((one) => one.passkey_id === credential.id)) throw error
  }
}

export const rename = (matrix: Matrix, id: string, name: string): Promise<unknown> => matrix.call('PUT', `${PATH}/${id}`, { name })

export const remove = (matrix: Matrix, id: string, user: string, password: string): Promise<unknown> =>
  matrix.proven('POST', `${PATH}/${id}/remove`, {}, user, password)

export async function show(matrix: Matrix, deviceName: string): Promise<Login> {
  const asked = await matrix.call<ToShow>('POST', `${PATH}/sign_in/ask`, {})
  const credential = (await navigator.credentials.get({ publicKey: showOptions(asked) })) as PublicKeyCredential
  return matrix.call('POST', `${PATH}/sign_in`, { credential: said(credential), device_id: newDevice(), initial_device_display_name: deviceName })
}
