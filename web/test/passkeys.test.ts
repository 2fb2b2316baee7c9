import { expect, test } from 'vitest'
import { bytesOf, canHavePasskeys, makeOptions, said, showOptions, textOf } from '../src/data/passkeys'

test('bytes and their text are the same, without what addresses cannot hold', () => {
  const bytes = Uint8Array.from([0, 62, 63, 250, 251, 252, 255])
  const text = textOf(bytes.buffer)
  expect(text).toMatch(/^[\w-]+$/)
  expect([...bytesOf(text)]).toEqual([...bytes])
  expect(textOf(new ArrayBuffer(0))).toBe('')
})

test('what the server asks becomes what the browser takes', () => {
  const asked = { challenge: 'AAEC', user: { id: '_-8', name: '@a:b', displayName: 'a' }, excludeCredentials: [{ id: 'AQ', type: 'public-key' as const }], timeout: 5 }
  const options = makeOptions(asked)
  expect([...(options.challenge as Uint8Array)]).toEqual([0, 1, 2])
  expect([...(options.user.id as Uint8Array)]).toEqual([255, 239])
  expect([...(options.excludeCredentials![0]!.id as Uint8Array)]).toEqual([1])
  expect(options.timeout).toBe(5)
  expect(showOptions({ challenge: 'AA' }).allowCredentials).toEqual([])
})

test('what an authenticator answers becomes text', () => {
  const buffer = (...bytes: number[]) => Uint8Array.from(bytes).buffer
  const made = { clientDataJSON: buffer(1), attestationObject: buffer(2) }
  const credential = (response: object) => ({ id: 'AQ', rawId: buffer(1), type: 'public-key', response }) as unknown as PublicKeyCredential
  expect(said(credential(made))).toEqual({ id: 'AQ', rawId: 'AQ', type: 'public-key', response: { clientDataJSON: 'AQ', attestationObject: 'Ag' } })
  const shown = { clientDataJSON: buffer(1), signature: buffer(2), authenticatorData: buffer(3), userHandle: null }
  expect(said(credential(shown))['response']).toEqual({ clientDataJSON: 'AQ', signature: 'Ag', authenticatorData: 'Aw' })
})

test('passkeys belong to names', () => {
  expect(canHavePasskeys('localhost')).toBe(false) // and to browsers: there is none here
  Object.assign(globalThis, { PublicKeyCredential: function () {} })
  expect(['localhost', 'chat.example.org', '127.0.0.1', '[::1]'].map(canHavePasskeys)).toEqual([true, true, false, false])
})
