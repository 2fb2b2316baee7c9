import 'fake-indexeddb/auto'
import { Attachment, EncryptedAttachment, initAsync, type OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { asItReads, emptyRoom, openedEntry, readJoined, withOpened } from '../src/data/arrival'
import type { Errands } from '../src/data/crypto/errands'
import { Sharing } from '../src/data/crypto/sharing'
import { openFile, sealFile } from '../src/data/crypto/files'
import { openSecret, readRecoveryKey, sealSecret, writeRecoveryKey } from '../src/data/crypto/secretStorage'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { newItem, Outbox, Sender } from '../src/data/outbox'
import { readSecretUri, secretUriOf } from '../src/data/secretUri'
import { mediaOf, rows, type Message } from '../src/data/timeline'
import type { Entry, Room } from '../src/data/types'
import { Unreachable } from '../src/net/errors'
import type { Keys } from '../src/net/keys'
import type { JoinedRoom, Json, Matrix, Opened, RawEvent } from '../src/net/matrix'

const ROOM = '!room:example.org'
const HER = '@her:example.org'

describe('who gets a room\'s key', () => {
  const member = (user: string, membership: string): RawEvent => ({ event_id: `$${user}`, type: 'm.room.member', sender: user, origin_server_ts: 1, state_key: user, content: { membership } })
  beforeAll(async () => initAsync())

  /** Asks who is in the room; before the answer comes, syncs tell these things. */
  async function sealedFor(...news: JoinedRoom[]): Promise<{ users: string[]; asked: number }> {
    let asked = 0
    let users: string[] = []
    const machine = {
      updateTrackedUsers: async () => {},
      shareRoomKey: async (_: unknown, to: { toString(): string }[]) => ((users = to.map(String)), []),
      encryptRoomEvent: async () => '{}',
    }
    const keys = {
      members: async () => {
        const isFirst = asked++ === 0
        await Promise.resolve()
        if (isFirst) for (const one of news) sharing.heard(ROOM, one)
        return isFirst ? [member(HER, 'join'), member('@him:example.org', 'join')] : [member(HER, 'join')]
      },
      state: async (_: string, type: string) => (type === 'm.room.encryption' ? { algorithm: 'm.megolm.v1.aes-sha2' } : null),
    }
    const errands = { drain: async () => {}, claim: async () => {} }
    const sharing = new Sharing(machine as unknown as OlmMachine, keys as unknown as Keys, errands as unknown as Errands)
    await sharing.seal(ROOM, 'm.room.message', {})
    return { users, asked }
  }

  test('not who was removed while it was asked who is there, but who came', async () => {
    const gone = { timeline: { events: [member('@him:example.org', 'leave'), member('@new:example.org', 'join')] } }
    expect(await sealedFor(gone)).toEqual({ users: [HER, '@new:example.org'], asked: 1 })
  })

  test('it is asked again where a sync left something out meanwhile', async () => {
    expect(await sealedFor({ timeline: { events: [], limited: true } })).toEqual({ users: [HER], asked: 2 })
  })
})

describe('the recovery key', () => {
  const key = Uint8Array.from({ length: 32 }, (_, at) => at * 7)

  test('is read as it was written, however it is spaced', () => {
    const text = writeRecoveryKey(key)
    expect(text).toMatch(/^Es[1-9A-Za-z]{2}( [1-9A-Za-z]{1,4})+$/)
    expect([readRecoveryKey(text), readRecoveryKey(text.replaceAll(' ', '')), readRecoveryKey(`\n${text.replaceAll(' ', ' - ')} `)]).toEqual([key, key, key])
  })

  test('is refused with any slip of the pen', () => {
    const text = writeRecoveryKey(key)
    const slips = [text.slice(0, -1), text.slice(1), text.replace('E', 'F'), `${text}1`, text.replace(/.$/, 'O'), '', 'EsT0']
    for (const slip of slips) expect(() => readRecoveryKey(slip), slip).toThrow()
  })

  test('opens what it closed, under that name alone', async () => {
    const sealed = await sealSecret(key, 'm.cross_signing.master', '비밀')
    expect(await openSecret(key, 'm.cross_signing.master', sealed)).toBe('비밀')
    await expect(openSecret(key, 'm.megolm_backup.v1', sealed)).rejects.toThrow()
    await expect(openSecret(key.map((byte) => byte ^ 1), 'm.cross_signing.master', sealed)).rejects.toThrow()
  })
})

describe('files', () => {
  const bytes = Uint8Array.from({ length: 100_001 }, (_, at) => at % 251)
  beforeAll(() => initAsync())

  test('that were encrypted here are opened by the library that others use, and the other way round', async () => {
    const { blob, key } = await sealFile(new Blob([bytes]))
    const theirs = Attachment.decrypt(new EncryptedAttachment(new Uint8Array(await blob.arrayBuffer()), JSON.stringify(key)))
    expect(Buffer.from(theirs).equals(bytes)).toBe(true)
    const sent = Attachment.encrypt(bytes)
    const uri = secretUriOf({ ...JSON.parse(sent.mediaEncryptionInfo!), url: 'mxc://a/b' }, { mimetype: 'image/png' })!
    const opened = await openFile(new Blob([sent.encryptedData as BlobPart]), readSecretUri(uri)!.key, 'image/png')
    expect([opened.type, Buffer.from(await opened.arrayBuffer()).equals(bytes)]).toEqual(['image/png', true])
  })

  test('that were exchanged are not shown', async () => {
    const [one, other] = await Promise.all([sealFile(new Blob(['하나'])), sealFile(new Blob(['둘']))])
    await expect(openFile(one.blob, other.key, '')).rejects.toThrow()
  })

  test('have an address that opens them; one that lacks something has none', () => {
    const file = { url: 'mxc://a/b', key: { k: 'k-_' }, iv: 'i/+', hashes: { sha256: 'h=' } }
    const uri = secretUriOf(file, { mimetype: 'image/png', thumbnail_file: { ...file, url: 'mxc://a/small' }, thumbnail_info: { mimetype: 'image/webp' } })!
    expect(readSecretUri(uri)).toMatchObject({ uri: 'mxc://a/b', type: 'image/png', key: { key: { k: 'k-_' }, iv: 'i/+', hashes: { sha256: 'h=' } } })
    expect(readSecretUri(readSecretUri(uri)!.small!)).toMatchObject({ uri: 'mxc://a/small', type: 'image/webp' })
    expect(readSecretUri('mxc://a/b')).toBeUndefined()
    const { key: _, ...keyless } = file
    expect(mediaOf('m.room.message', { msgtype: 'm.image', file: keyless })).toBeUndefined()
    expect(mediaOf('m.room.message', { msgtype: 'm.image', file, body: 'x' })?.kind).toBe('image')
  })
})

describe('what is encrypted', () => {
  let count = 0
  const event = (id: string, opened?: Opened, more: Partial<RawEvent> = {}): RawEvent => ({
    event_id: id,
    type: 'm.room.encrypted',
    sender: HER,
    origin_server_ts: count++,
    content: { algorithm: 'm.megolm.v1.aes-sha2', session_id: 'session', ciphertext: 'AwgA' },
    ...(opened && { opened }),
    ...more,
  })
  const said = (body: string, more: Json = {}): Opened => ({ type: 'm.room.message', content: { msgtype: 'm.text', body, ...more } })
  const join = (...events: RawEvent[]) => readJoined({ ...emptyRoom(ROOM), encrypted: true }, { timeline: { events, prev_batch: 'p' } })
  const shown = (room: Room, entries: Entry[]): Message[] =>
    rows({ room, entries, items: [], me: '@me:example.org', ignored: [], isStart: false }).flatMap((row) => (row.kind === 'message' ? [row.message] : []))

  test('is kept as it came until its key is here, and reads in its place then', () => {
    const { room, entries } = join(event('$1'), event('$2', said('둘')))
    const [sealed, open] = entries as [Entry, Entry]
    expect([sealed.sealed?.session, open.sealed, room.last?.content.body]).toEqual(['session', undefined, '둘'])
    expect(shown(room, entries).map(({ kind, locked, body }) => [kind, locked, body])).toEqual([['encrypted', 'opening', ''], ['text', undefined, '둘']])
    const missing = openedEntry(sealed, { why: 'missing' })
    expect(shown(room, [missing])[0]?.locked).toBe('missing')
    const late = openedEntry(missing, said('하나'))
    expect([late.order, late.sealed, shown(room, [late])[0]?.body]).toEqual([sealed.order, undefined, '하나'])
  })

  test('shows in the list of chats once it can be read', () => {
    const { room, entries } = join(event('$1', said('하나')), event('$2'))
    expect(room.last?.type).toBe('m.room.encrypted')
    expect(withOpened(room, openedEntry(entries[1]!, said('둘'))).last?.content.body).toBe('둘')
  })

  test('of a sender who is not sure is marked, until more is known of them', () => {
    const { room, entries } = join(event('$1', { ...said('하나'), doubt: 'unsigned' }))
    expect(shown(room, entries)[0]?.doubt).toBe('unsigned')
    const sure = openedEntry(entries[0]!, said('하나'))
    expect([shown(room, [sure])[0]?.doubt, sure.sealed]).toEqual([undefined, undefined])
    expect(openedEntry(entries[0]!, { why: 'missing' }).content.body).toBe('하나')
  })

  test('is not changed by what did not come encrypted, and that is marked', () => {
    const relation = { 'm.relates_to': { rel_type: 'm.replace', event_id: '$1' }, 'm.new_content': { msgtype: 'm.text', body: '거짓' } }
    const forged = event('$2', undefined, { type: 'm.room.message', content: { msgtype: 'm.text', body: '* 거짓', ...relation } })
    const clear = event('$3', undefined, { type: 'm.room.message', content: { msgtype: 'm.text', body: '드러난 말' } })
    const { room, entries } = join(event('$1', said('참')), forged, clear)
    expect(shown(room, entries).map(({ body, doubt }) => [body, doubt])).toEqual([['참', undefined], ['드러난 말', 'clear']])
    const right = join(event('$1', said('참')), event('$2', said('* 고친 말', relation)))
    expect(shown(right.room, right.entries)[0]?.body).toBe('거짓')
  })

  test('reads as it was edited, by its sender and encrypted, where the server gives the edit with it', () => {
    const edit = (more: Partial<RawEvent>) => event('$2', undefined, { content: { 'm.new_content': { msgtype: 'm.text', body: '고친 말' } }, ...more })
    const body = (replacement: RawEvent) =>
      asItReads(event('$1', said('참'), { unsigned: { 'm.relations': { 'm.replace': replacement } } }), ROOM, 0).content.body
    const opened = said('* 고친 말', { 'm.new_content': { msgtype: 'm.text', body: '고친 말' } })
    expect([body(edit({ opened })), body(edit({})), body(edit({ opened, sender: '@me:example.org' }))]).toEqual(['고친 말', '참', '참'])
  })

  test('and was redacted keeps nothing', () => {
    const { entries } = join(event('$1', undefined, { content: {}, unsigned: { redacted_because: {} } }))
    expect([entries[0]?.sealed, entries[0]?.redacted]).toEqual([undefined, true])
  })
})

describe('what goes out', () => {
  let database: Database
  let outbox: Outbox
  beforeEach(async () => {
    database?.close()
    await deleteDatabase()
    database = await openDatabase(() => {})
    outbox = new Outbox(database)
  })

  test('is encrypted once: each try says the same under the same id, from another page too', async () => {
    const item = newItem({ room: ROOM, type: 'm.room.message', content: { body: '비밀' } }, 1)
    await outbox.put(item)
    const sent: unknown[] = []
    let times = 0
    const seal = async () => ({ ciphertext: `${++times}` })
    const sender = (answer: () => Promise<{ event_id: string }>) => {
      const send = (_room: string, type: string, txn: string, content: Json) => {
        sent.push([type, txn, content])
        return answer()
      }
      return new Sender(outbox, { send } as unknown as Matrix, () => undefined, () => {}, () => {}, () => {}, { seal, sealFile: async () => undefined })
    }
    const before = sender(() => Promise.reject(new Unreachable('')))
    await before.start()
    await vi.waitFor(async () => expect((await outbox.get(item.txn))?.notBefore).toBeGreaterThan(0))
    before.stop()
    await sender(() => Promise.resolve({ event_id: '$a' })).start()
    await vi.waitFor(async () => expect(await outbox.get(item.txn)).toMatchObject({ state: 'sent', content: { body: '비밀' } }))
    expect([times, sent]).toEqual([1, Array(2).fill(['m.room.encrypted', item.txn, { ciphertext: '1' }])])
  })

  test('waits unencrypted nowhere but here while its key cannot be shared', async () => {
    await outbox.put(newItem({ room: ROOM, type: 'm.room.message', content: { body: '비밀' } }, 1))
    const send = vi.fn()
    const one = new Sender(outbox, { send } as unknown as Matrix, () => undefined, () => {}, () => {}, () => {}, { seal: () => Promise.reject(new Unreachable('')), sealFile: async () => undefined })
    await one.start()
    await vi.waitFor(async () => expect(await outbox.all()).toMatchObject([{ state: 'queued', tries: 1 }]))
    one.stop()
    expect(send).not.toHaveBeenCalled()
  })
})
