import { expect, test } from 'vitest'
import { hoursOf, isOfficial, wishOf, type Channel } from '../src/data/channel'

// made by bongsu.core.marks with the private key 00 01 … 1f
const KEY = 'A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg='
const SIGNED = '1DppGo8ab6CnhT6p5oxmdnOMq2+VAeDly9lChzTK/sEtcWiHcnqI65d5PqmohKkHbZ1lgctLLsPhBN3rUK3dCw=='
const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair
const key = Buffer.from(await crypto.subtle.exportKey('raw', pair.publicKey)).toString('base64')

async function certified(more: Partial<Channel> = {}): Promise<Channel> {
  const signed = { account: '@channel-1:x', channel_id: '1', name: '봉수 “책방”', valid_from: 10, valid_until: 20 }
  const signature = await crypto.subtle.sign('Ed25519', pair.privateKey, Buffer.from(JSON.stringify(signed)))
  const mark = { ...signed, key_id: 'k', signature: Buffer.from(signature).toString('base64') }
  return { channel_id: '1', account: '@channel-1:x', name: signed.name, about: '', hours: [], followers: 0, created_ts: 0, open_now: true, mark, ...more }
}

test('a mark holds for what was signed, in its time, and for nothing else', async () => {
  expect(await isOfficial(await certified(), key, 15)).toBe(true)
  for (const now of [9, 20]) expect(await isOfficial(await certified(), key, now)).toBe(false)
  for (const other of [{ name: '봉수 책방' }, { account: '@channel-2:x' }, { channel_id: '2' }, { mark: null }]) {
    expect(await isOfficial(await certified(other), key, 15)).toBe(false)
  }
  const { mark } = await certified()
  const renamed = { ...mark!, name: '딴 이름' }
  expect(await isOfficial(await certified({ name: '딴 이름', mark: renamed }), key, 15)).toBe(false)
  expect(await isOfficial(await certified({ mark: { ...mark!, signature: '!' } }), key, 15)).toBe(false)
})

test('what the server signs is what is verified here', async () => {
  const name = '봉수 “책방” \\ A'
  const mark = { channel_id: '1', name, account: '@channel-1:x', valid_from: 10, valid_until: 20, key_id: 'k', signature: SIGNED }
  expect(await isOfficial(await certified({ name, mark }), KEY, 15)).toBe(true)
})

test('nobody agrees to advertising at night alone', () => {
  expect(wishOf(false, true)).toEqual({ advertising: false, advertising_at_night: false })
  expect(wishOf(true, true)).toEqual({ advertising: true, advertising_at_night: true })
})

test('hours in words', () => {
  const hours = [
    { days: ['wed', 'mon', 'tue'], opens: '09:00', closes: '18:00' },
    { days: ['sat', 'mon'], opens: '10:00', closes: '12:00' },
  ] as Channel['hours']
  expect(hoursOf(hours, (day) => day)).toEqual(['mon–wed 09:00–18:00', 'mon, sat 10:00–12:00'])
})
