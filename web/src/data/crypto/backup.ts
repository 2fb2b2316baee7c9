import { BackupDecryptionKey, RoomId, type OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import { Refused } from '../../net/errors'
import type { BackedUp, BackupInfo, Keys } from '../../net/keys'
import type { Errands } from './errands'
import type { Restored } from './types'

const ALGORITHM = 'm.megolm_backup.v1.curve25519-aes-sha2'
const SPREAD_MS = 3_000 // all sessions of a person hear of a key at once, and one of them is enough
const FIRST_MS = 1_000
const LONGEST_MS = 120_000
const AGAIN_MS = 600_000 // so soon one session is not asked for again

/** Room keys on the server, which opens none of them. */
export class Backup {
  private info: BackupInfo | null = null
  private isOurs = false
  private isBusy = false
  private isStopped = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private fails = 0
  private readonly asked = new Map<string, number>()

  constructor(
    private readonly machine: OlmMachine,
    private readonly keys: Keys,
    private readonly errands: Errands,
    private readonly user: string,
  ) {}

  get state(): 'off' | 'on' | 'locked' {
    if (!this.info) return 'off'
    return this.isOurs ? 'on' : 'locked'
  }

  /** Is the server's newest backup the one whose key is here? Only then keys go into it. */
  async check(): Promise<void> {
    this.info = await this.keys.backup()
    const { decryptionKey: key } = await this.machine.getBackupKeys()
    this.isOurs = key !== undefined && isFor(this.info, key)
    if (key && this.isOurs) await this.use(key, this.info!.version)
  }

  /** Begins a new one, and returns the key that opens it. */
  async create(): Promise<string> {
    const key = BackupDecryptionKey.createRandomKey()
    const data = { public_key: key.megolmV1PublicKey.publicKeyBase64 }
    const signed = JSON.parse((await this.machine.sign(JSON.stringify(data))).asJSON()) as Record<string, unknown>
    const auth_data = { ...data, signatures: { [this.user]: signed[this.user] } }
    const version = await this.keys.createBackup(ALGORITHM, auth_data)
    this.info = { version, algorithm: ALGORITHM, auth_data }
    this.isOurs = true
    await this.use(key, version)
    return key.toBase64()
  }

  /** A key that came from another session, or from under the recovery key. False: it opens another backup. */
  async adopt(secret: string): Promise<boolean> {
    const key = BackupDecryptionKey.fromBase64(secret)
    this.info = await this.keys.backup()
    if (!isFor(this.info, key)) return false
    this.isOurs = true
    await this.use(key, this.info!.version)
    return true
  }

  /** The key of the backup that is in use, if it is here. */
  async secret(): Promise<string | undefined> {
    return this.isOurs ? (await this.machine.getBackupKeys()).decryptionKeyBase64 : undefined
  }

  /** Fetches every key. */
  async restore(): Promise<Restored> {
    if (!this.isOurs || !this.info) return { imported: 0, total: 0 }
    const { version } = this.info
    return this.take(version, await this.keys.backedUp(version))
  }

  /** Fetches one key that a message needs. */
  async fetch(room: string, session: string): Promise<void> {
    if (!this.isOurs || !this.info || Date.now() - (this.asked.get(session) ?? -Infinity) < AGAIN_MS) return
    this.asked.set(session, Date.now())
    const found = await this.keys.backedUpSession(this.info.version, room, session)
    if (found) await this.take(this.info.version, { [room]: { sessions: { [session]: found } } })
  }

  /** There are new keys. */
  soon(): void {
    if (this.isOurs) this.later(Math.random() * SPREAD_MS)
  }

  stop(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  private async use(key: BackupDecryptionKey, version: string): Promise<void> {
    const { backupVersion } = await this.machine.getBackupKeys()
    if (backupVersion !== undefined && backupVersion !== version) await this.machine.disableBackup() // its keys are not in this one
    await this.machine.saveBackupDecryptionKey(key, version)
    await this.machine.enableBackupV1(key.megolmV1PublicKey.publicKeyBase64, version)
    this.later(0)
  }

  private later(ms: number): void {
    if (this.isStopped) return
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.upload(), ms)
  }

  private async upload(): Promise<void> {
    if (this.isBusy || !this.isOurs) return
    this.isBusy = true
    try {
      for (let batch = await this.machine.backupRoomKeys(); batch && !this.isStopped; batch = await this.machine.backupRoomKeys()) {
        await this.errands.run(batch)
      }
      this.fails = 0
    } catch (error) {
      if (isGone(error)) this.isOurs = false // somebody began another one; its key comes by their session, or the recovery key
      else this.later(Math.min(LONGEST_MS, FIRST_MS * 2 ** this.fails++))
    } finally {
      this.isBusy = false
    }
  }

  private async take(version: string, rooms: Record<string, { sessions: Record<string, BackedUp> }>): Promise<Restored> {
    const { decryptionKey: key } = await this.machine.getBackupKeys()
    if (!key) return { imported: 0, total: 0 }
    const opened = Object.entries(rooms).map(([room, { sessions }]) => [new RoomId(room), openAll(key, sessions)] as const)
    const result = await this.machine.importBackedUpRoomKeys(new Map(opened), () => undefined, version)
    return { imported: result.importedCount, total: result.totalCount }
  }
}

const isFor = (info: BackupInfo | null, key: BackupDecryptionKey): boolean =>
  info?.algorithm === ALGORITHM && info.auth_data.public_key === key.megolmV1PublicKey.publicKeyBase64

const isGone = (error: unknown): boolean => error instanceof Refused && (error.status === 404 || error.code === 'M_WRONG_ROOM_KEYS_VERSION')

/** What cannot be opened is left out: one bad key takes no other with it. */
function openAll(key: BackupDecryptionKey, sessions: Record<string, BackedUp>): Map<string, unknown> {
  const opened = new Map<string, unknown>()
  for (const [session, { session_data: data }] of Object.entries(sessions)) {
    try {
      const found = JSON.parse(key.decryptV1(data.ephemeral, data.mac, data.ciphertext)) as object
      opened.set(session, { ...found, session_id: session })
    } catch {
      continue
    }
  }
  return opened
}
