import {
  DecryptionErrorCode,
  DecryptionSettings,
  DeviceId,
  DeviceLists,
  initAsync,
  MegolmDecryptionError,
  OlmMachine,
  ProcessedToDeviceEventType,
  RoomId,
  ShieldColor,
  ShieldStateCode,
  StoreHandle,
  TrustRequirement,
  UserId,
  type CrossSigningBootstrapRequests,
  type DecryptedRoomEvent,
} from '@matrix-org/matrix-sdk-crypto-wasm'
import { Refused, Unreachable } from '../../net/errors'
import { Keys } from '../../net/keys'
import type { Doubt, Json, KeyNews, Matrix, Opened, RawEvent, SyncReply, Why } from '../../net/matrix'
import type { Session } from '../types'
import { Backup } from './backup'
import { Errands, usersOf, type Errand } from './errands'
import { Flows } from './flows'
import { SecretStorage } from './secretStorage'
import { Sharing } from './sharing'
import { Trust } from './trust'
import type { Desk, Flow, KnownPerson, KnownSession, Restored, Standing } from './types'

/** Named here, too, so that it can be fetched beforehand: the library tries once, and never again in this page. */
const PROGRAM = new URL('../../../node_modules/@matrix-org/matrix-sdk-crypto-wasm/pkg/matrix_sdk_crypto_wasm_bg.wasm', import.meta.url)
const MASTER = 'm.cross_signing.master'
const SELF = 'm.cross_signing.self_signing'
const USER = 'm.cross_signing.user_signing'
const BACKUP = 'm.megolm_backup.v1'
const FRESH_MS = 30_000 // what the server said of backup and recovery key holds so long
const SHOWN_MAX = 200 // people of one room whose keys are looked at
/** Kinds of events that mean something only where the server sees them. */
const NOT_INSIDE = /^m\.room\.(?!message$)/
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: (text: unknown) => console.warn(text) }

/** What the keeper tells, and what it needs. secret: under it the keys lie on disk. */
export interface Outside {
  session: Session
  store: string
  secret: Uint8Array
  matrix: Matrix
  /** keys of these sessions of rooms came */
  onKeys(sessions: readonly string[]): void
  /** what is known of these people is another thing now */
  onPeople(users: readonly string[]): void
  onFlows(flows: Flow[]): void
}

/** Keeps this session's keys. There is one in a browser: in the tab that leads. */
export class Keeper implements Desk {
  private readonly keys: Keys
  private readonly errands: Errands
  private readonly sharing: Sharing
  private readonly backup: Backup
  private readonly flows: Flows
  private readonly trust: Trust
  private readonly secrets: SecretStorage
  private hasRecovery = false
  private askedAt = 0
  private hadOwnKeys = false

  private constructor(
    private readonly machine: OlmMachine,
    private readonly outside: Outside,
  ) {
    const { matrix, session } = outside
    this.keys = new Keys(matrix)
    this.errands = new Errands(machine, this.keys, matrix)
    this.sharing = new Sharing(machine, this.keys, this.errands)
    this.backup = new Backup(machine, this.keys, this.errands, session.user)
    this.trust = new Trust(machine, session.user, session.device)
    this.secrets = new SecretStorage(this.keys, matrix, session.user)
    this.flows = new Flows(machine, this.errands, matrix, session.user, outside.onFlows, () => this.verified())
  }

  static async open(outside: Outside): Promise<Keeper> {
    const program = await fetch(PROGRAM)
    if (!program.ok) throw new Unreachable('the program that encrypts is not there')
    await program.arrayBuffer()
    await initAsync(PROGRAM)
    const { user, device } = outside.session
    const store = await StoreHandle.openWithKey(outside.store, outside.secret, SILENT)
    const machine = await OlmMachine.initFromStore(new UserId(user), new DeviceId(device), store, SILENT)
    machine.roomKeyRequestsEnabled = false // a backup has what this session was not given
    const keeper = new Keeper(machine, outside)
    keeper.listen()
    return keeper
  }

  close(): void {
    this.errands.stop()
    this.backup.stop()
    this.machine.close()
  }

  private listen(): void {
    const { machine, outside } = this
    machine.registerRoomKeyUpdatedCallback(async (keys) => {
      outside.onKeys(keys.map((key) => key.sessionId))
      this.backup.soon()
    })
    machine.registerDevicesUpdatedCallback(async (users) => outside.onPeople(users))
    machine.registerUserIdentityUpdatedCallback(async (user) => outside.onPeople([user.toString()]))
    machine.registerReceiveSecretCallback(async (name, value) => {
      if (name === BACKUP) await this.takeBackupKey(value).catch(() => {})
    })
    void this.begin()
  }

  /** What was left over when this session was open last. */
  private async begin(): Promise<void> {
    this.errands.soon()
    try {
      await this.backup.check()
      for (const secret of await this.machine.getSecretsFromInbox(BACKUP)) await this.takeBackupKey(secret)
    } catch {
      setTimeout(() => void this.begin(), 30_000 * (0.75 + Math.random() / 2))
    }
  }

  // --- what arrives ---

  /** What a sync told about keys. The same may come twice: a message between devices is read once, and else ignored. */
  async take(news: KeyNews): Promise<void> {
    const lists = new DeviceLists(usersOf(news.device_lists?.changed ?? []), usersOf(news.device_lists?.left ?? []))
    const counts = new Map(Object.entries(news.device_one_time_keys_count ?? {}))
    const unused = news.device_unused_fallback_key_types && new Set(news.device_unused_fallback_key_types)
    const events = JSON.stringify(news.to_device?.events ?? [])
    for (const told of await this.machine.receiveSyncChanges(events, lists, counts, unused, settings())) {
      if (told.type === ProcessedToDeviceEventType.Decrypted || told.type === ProcessedToDeviceEventType.PlainText) this.flows.heard(told.rawEvent)
    }
    if (news.to_device?.events.length && (await this.hasOwnKeys()) !== this.hadOwnKeys) {
      this.hadOwnKeys = !this.hadOwnKeys
      this.outside.onPeople([]) // another session sent them
    }
    this.errands.soon()
  }

  private async hasOwnKeys(): Promise<boolean> {
    const { hasMaster, hasSelfSigning, hasUserSigning } = await this.machine.crossSigningStatus()
    return hasMaster && hasSelfSigning && hasUserSigning
  }

  /** Puts beside each encrypted event of a reply what it says. */
  async openAll(reply: Pick<SyncReply, 'rooms'>): Promise<void> {
    for (const [room, joined] of Object.entries(reply.rooms?.join ?? {})) {
      this.sharing.heard(room, joined)
      for (const event of joined.timeline?.events ?? []) {
        if (event.type === 'm.room.encrypted' && event.state_key === undefined) event.opened = await this.open(room, event)
        await this.flows.heardIn(room, event).catch(() => {}) // somebody sent what is no such message
      }
    }
  }

  read(room: string, events: readonly RawEvent[]): Promise<Opened[]> {
    return Promise.all(events.map((event) => this.open(room, event)))
  }

  async open(room: string, event: RawEvent): Promise<Opened> {
    try {
      const clear = await this.machine.decryptRoomEvent(JSON.stringify(event), new RoomId(room), settings())
      const { type, content } = JSON.parse(clear.event) as { type: string; content: Json }
      if (NOT_INSIDE.test(type)) return { why: 'unable' }
      const doubt = await this.doubtOf(clear)
      return { type, content, ...(doubt && { doubt }) }
    } catch (error) {
      const why = whyOf(error)
      if (why === 'missing') void this.backup.fetch(room, String(event.content['session_id'])).catch(() => {})
      return { why }
    }
  }

  /** Of people who have set nothing up, no session is vouched for; that says nothing, and is not said at each message. */
  private async doubtOf(clear: DecryptedRoomEvent): Promise<Doubt | undefined> {
    const doubt = doubtOf(clear)
    const isPlain = doubt === 'unsigned' && !(await this.machine.getIdentity(clear.sender))
    return isPlain ? undefined : doubt
  }

  /** Somebody looks at an encrypted room: who writes there will be known. */
  async lookAt(room: string): Promise<void> {
    await this.sharing.audience(room)
    this.errands.soon()
  }

  seal(room: string, type: string, content: Json): Promise<Json> {
    return this.sharing.seal(room, type, content)
  }

  // --- the account's own keys ---

  async standing(): Promise<Standing> {
    await this.errands.drain()
    if (Date.now() - this.askedAt > FRESH_MS) await this.look()
    this.hadOwnKeys = await this.hasOwnKeys()
    const own = await this.machine.getIdentity(new UserId(this.me))
    const { total, backedUp } = await this.machine.roomKeyCounts()
    const identity = !own ? 'none' : this.hadOwnKeys ? 'here' : 'elsewhere'
    return { identity, hasRecovery: this.hasRecovery, backup: this.backup.state, keys: total, backedUp }
  }

  private async look(): Promise<void> {
    await this.backup.check()
    this.hasRecovery = await this.secrets.exists()
    this.askedAt = Date.now()
  }

  async setUp(password: string, anew: boolean): Promise<string> {
    await this.publish(password, anew)
    return this.keepSecrets(anew)
  }

  newRecovery(): Promise<string> {
    return this.keepSecrets(false)
  }

  async recover(recoveryKey: string): Promise<Restored> {
    const secret = await this.secrets.open(recoveryKey)
    await this.askAbout([this.me])
    const [master, self, user, backup] = await Promise.all([MASTER, SELF, USER, BACKUP].map(secret))
    if (master && self && user) {
      await this.machine.importCrossSigningKeys(master, self, user)
      await this.vouch()
    }
    if (!backup || !(await this.backup.adopt(backup))) return { imported: 0, total: 0 }
    return this.backup.restore()
  }

  /** Makes the keys that vouch for one's sessions, if there are none, and tells the server. */
  private async publish(password: string, anew: boolean): Promise<void> {
    await this.askAbout([this.me])
    const before = await this.machine.exportCrossSigningKeys()
    const isThere = (await this.machine.getIdentity(new UserId(this.me))) !== undefined
    const has = Boolean(before?.masterKey && before.self_signing_key && before.userSigningKey)
    if (isThere && !has && !anew) throw new Refused(409, 'BONGSU_SET_UP_ELSEWHERE', '')
    try {
      await this.upload(await this.machine.bootstrapCrossSigning(anew || !has), password)
    } catch (error) {
      if (has && anew) await this.machine.importCrossSigningKeys(before!.masterKey, before!.self_signing_key, before!.userSigningKey)
      throw error
    }
    await this.askAbout([this.me])
  }

  private async upload(made: CrossSigningBootstrapRequests, password: string): Promise<void> {
    if (made.uploadKeysRequest) await this.errands.run(made.uploadKeysRequest as Errand)
    await this.keys.signingKeys(JSON.parse(made.uploadSigningKeysRequest.body) as Json, this.me, password)
    await this.errands.run(made.uploadSignaturesRequest)
  }

  /** The account's secrets under a new recovery key; with a backup, which is begun if there is none that can be used. */
  private async keepSecrets(anew: boolean): Promise<string> {
    const own = await this.machine.exportCrossSigningKeys()
    if (!own?.masterKey || !own.self_signing_key || !own.userSigningKey) throw new Refused(409, 'BONGSU_SET_UP_ELSEWHERE', '')
    await this.backup.check()
    const backup = (anew ? undefined : await this.backup.secret()) ?? (await this.backup.create())
    const recoveryKey = await this.secrets.create({ [MASTER]: own.masterKey, [SELF]: own.self_signing_key, [USER]: own.userSigningKey, [BACKUP]: backup })
    this.hasRecovery = true
    return recoveryKey
  }

  /** This session is signed with the account's keys, which it has. */
  private async vouch(): Promise<void> {
    const device = await this.machine.getDevice(new UserId(this.me), new DeviceId(this.outside.session.device))
    if (device) await this.errands.run(await device.verify())
  }

  private async takeBackupKey(secret: string): Promise<void> {
    const isGood = await this.backup.adopt(secret)
    await this.machine.deleteSecretsFromInbox(BACKUP)
    if (isGood) await this.backup.restore()
  }

  // --- other people, and other sessions ---

  async sessions(user: string): Promise<KnownSession[]> {
    await this.machine.updateTrackedUsers(usersOf([user]))
    await this.errands.drain()
    return this.trust.sessions(user)
  }

  async people(room: string): Promise<KnownPerson[]> {
    const { users } = await this.sharing.audience(room)
    await this.errands.drain()
    const shown = [...users].filter((user) => user !== this.me).slice(0, SHOWN_MAX)
    return Promise.all(shown.map((user) => this.trust.person(user)))
  }

  async accept(user: string): Promise<void> {
    await this.trust.accept(user)
    this.outside.onPeople([user])
  }

  verifyOwn(device?: string): Promise<void> {
    return this.flows.verifyOwn(device)
  }

  verifyPerson(user: string, room: string): Promise<void> {
    return this.flows.verifyPerson(user, room)
  }

  verifySession(user: string, device: string): Promise<void> {
    return this.flows.verifySession(user, device)
  }

  agree(flow: string): Promise<void> {
    return this.flows.agree(flow)
  }

  compare(flow: string): Promise<void> {
    return this.flows.compare(flow)
  }

  confirm(flow: string): Promise<void> {
    return this.flows.confirm(flow)
  }

  scanned(flow: string): Promise<void> {
    return this.flows.scanned(flow)
  }

  mismatch(flow: string): Promise<void> {
    return this.flows.mismatch(flow)
  }

  cancel(flow: string): Promise<void> {
    return this.flows.cancel(flow)
  }

  async dismiss(flow: string): Promise<void> {
    this.flows.dismiss(flow)
  }

  private verified(): void {
    this.outside.onPeople([])
    this.errands.soon() // the other session is asked for the account's secrets
  }

  private get me(): string {
    return this.outside.session.user
  }

  private async askAbout(users: readonly string[]): Promise<void> {
    await this.errands.run(this.machine.queryKeysForUsers(usersOf(users)))
  }
}

const settings = (): DecryptionSettings => new DecryptionSettings(TrustRequirement.Untrusted)

const DOUBTS = new Map<ShieldStateCode | undefined, Doubt>([
  [ShieldStateCode.UnknownDevice, 'unknown'],
  [ShieldStateCode.UnsignedDevice, 'unsigned'],
  [ShieldStateCode.VerificationViolation, 'violation'],
  [ShieldStateCode.AuthenticityNotGuaranteed, 'unproven'],
  [ShieldStateCode.MismatchedSender, 'mismatch'],
])

function doubtOf(clear: DecryptedRoomEvent): Doubt | undefined {
  const { color, code } = clear.shieldState(false)
  return color === ShieldColor.None ? undefined : (DOUBTS.get(code) ?? 'unproven')
}

function whyOf(error: unknown): Why {
  if (!(error instanceof MegolmDecryptionError)) return 'unable'
  if (error.withheldCode !== undefined) return 'withheld'
  const isLate = error.code === DecryptionErrorCode.MissingRoomKey || error.code === DecryptionErrorCode.UnknownMessageIndex
  return isLate ? 'missing' : 'unable'
}
