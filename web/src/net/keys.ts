import { Refused } from './errors'
import type { Json, Matrix, RawEvent } from './matrix'

const V3 = '/_matrix/client/v3'
const TWICE = { again: 'after' } as const // what does no harm when it is made twice
const BESIDE = { again: 'beside' } as const // may be asked of two sites at once
const LONG = { again: 'beside', timeoutMs: 60_000 } as const // the answer may be all keys of years
const part = encodeURIComponent

/** A backup of room keys, as the server describes it. */
export interface BackupInfo {
  version: string
  algorithm: string
  auth_data: { public_key?: string }
}

/** One room's key in the backup. */
export interface BackedUp {
  session_data: { ephemeral: string; mac: string; ciphertext: string }
}

/** What end-to-end encryption asks of the server. */
export class Keys {
  constructor(private readonly matrix: Matrix) {}

  upload(body: Json): Promise<Json> {
    return this.matrix.call('POST', `${V3}/keys/upload`, body, TWICE)
  }

  query(body: Json): Promise<Json> {
    return this.matrix.call('POST', `${V3}/keys/query`, body, BESIDE)
  }

  claim(body: Json): Promise<Json> {
    return this.matrix.call('POST', `${V3}/keys/claim`, body, TWICE)
  }

  toDevices(type: string, txn: string, body: Json): Promise<Json> {
    return this.matrix.call('PUT', `${V3}/sendToDevice/${part(type)}/${part(txn)}`, body, BESIDE)
  }

  signatures(body: Json): Promise<Json> {
    return this.matrix.call('POST', `${V3}/keys/signatures/upload`, body, TWICE)
  }

  /** The keys that vouch for one's sessions. Where there were others, the server wants to see the password. */
  async signingKeys(body: Json, user: string, password: string): Promise<void> {
    const path = `${V3}/keys/device_signing/upload`
    try {
      await this.matrix.call('POST', path, body, TWICE)
    } catch (error) {
      const auth = passwordFor(error, user, password)
      await this.matrix.call('POST', path, { ...body, auth })
    }
  }

  async members(room: string): Promise<RawEvent[]> {
    const path = `${V3}/rooms/${part(room)}/members?not_membership=leave`
    return (await this.matrix.call<{ chunk: RawEvent[] }>('GET', path, undefined, BESIDE)).chunk
  }

  state(room: string, type: string): Promise<Json | null> {
    return orNull(this.matrix.call('GET', `${V3}/rooms/${part(room)}/state/${part(type)}`, undefined, BESIDE))
  }

  accountData(user: string, type: string): Promise<Json | null> {
    return orNull(this.matrix.call('GET', `${V3}/user/${part(user)}/account_data/${part(type)}`, undefined, BESIDE))
  }

  // --- the backup of room keys ---

  backup(): Promise<BackupInfo | null> {
    return orNull(this.matrix.call('GET', `${V3}/room_keys/version`, undefined, BESIDE))
  }

  async createBackup(algorithm: string, auth_data: Json): Promise<string> {
    return (await this.matrix.call<{ version: string }>('POST', `${V3}/room_keys/version`, { algorithm, auth_data })).version
  }

  putBackedUp(version: string, body: Json): Promise<Json> {
    return this.matrix.call('PUT', `${V3}/room_keys/keys?version=${part(version)}`, body, TWICE)
  }

  async backedUp(version: string): Promise<Record<string, { sessions: Record<string, BackedUp> }>> {
    const path = `${V3}/room_keys/keys?version=${part(version)}`
    return (await this.matrix.call<{ rooms: Record<string, { sessions: Record<string, BackedUp> }> }>('GET', path, undefined, LONG)).rooms
  }

  backedUpSession(version: string, room: string, session: string): Promise<BackedUp | null> {
    const path = `${V3}/room_keys/keys/${part(room)}/${part(session)}?version=${part(version)}`
    return orNull(this.matrix.call('GET', path, undefined, BESIDE))
  }
}

const orNull = <T>(asked: Promise<T>): Promise<T | null> =>
  asked.catch((error) => (error instanceof Refused && error.status === 404 ? null : Promise.reject(error)))

/** What to send after the server asked who is there; throws when the password is no answer, or none was given. */
function passwordFor(error: unknown, user: string, password: string): Json {
  if (!(error instanceof Refused) || error.status !== 401 || !Array.isArray(error.fields['flows'])) throw error
  const flows = error.fields['flows'] as { stages: string[] }[]
  if (!flows.some(({ stages }) => stages.join() === 'm.login.password')) throw new Refused(401, 'BONGSU_ACCOUNT_PAGE', '')
  if (!password) throw new Refused(401, 'BONGSU_PASSWORD_WANTED', '')
  const identifier = { type: 'm.id.user', user }
  return { type: 'm.login.password', identifier, password, session: error.fields['session'] }
}
