import { CollectStrategy, EncryptionAlgorithm, EncryptionSettings, HistoryVisibility, RoomId, type OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import { Refused } from '../../net/errors'
import type { Keys } from '../../net/keys'
import type { JoinedRoom, Json, RawEvent } from '../../net/matrix'
import { usersOf, type Errands } from './errands'

const MEGOLM = 'm.megolm.v1.aes-sha2'

/** Who must be able to read what is said in a room, and for how long one key serves. */
interface Audience {
  users: Set<string>
  readsInvited: boolean
  settings: { rotation_period_ms?: unknown; rotation_period_msgs?: unknown }
  visibility: HistoryVisibility
}

/** A question about a room that is under way, and what a sync told of the room since it was put. */
interface Asked {
  answer: Promise<Audience>
  meanwhile: JoinedRoom[]
}

const VISIBILITIES = new Map<unknown, HistoryVisibility>([
  ['invited', HistoryVisibility.Invited],
  ['joined', HistoryVisibility.Joined],
  ['world_readable', HistoryVisibility.WorldReadable],
])

/** Gives everybody in a room its key, and encrypts with it. One after the other: two claims at once would waste keys. */
export class Sharing {
  private readonly rooms = new Map<string, Audience>()
  private readonly asked = new Map<string, Asked>()
  private line: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly machine: OlmMachine,
    private readonly keys: Keys,
    private readonly errands: Errands,
  ) {}

  /** Rejects before anything is encrypted when somebody's sessions, or the room's people, could not be found out. */
  seal(room: string, type: string, content: Json): Promise<Json> {
    const sealed = this.line.then(() => this.sealNow(room, type, content))
    this.line = sealed.catch(() => {})
    return sealed
  }

  /** Who can read a room; and their sessions are known, or being asked for. */
  async audience(room: string): Promise<Audience> {
    const known = this.rooms.get(room) ?? (await this.learn(room))
    await this.machine.updateTrackedUsers(usersOf(known.users))
    return known
  }

  /** A sync tells of everybody who comes or goes, unless it left something out. */
  heard(room: string, { timeline, state }: JoinedRoom): void {
    this.asked.get(room)?.meanwhile.push({ ...(timeline && { timeline }), ...(state && { state }) })
    const known = this.rooms.get(room)
    if (!known) return
    if (timeline?.limited) return void this.rooms.delete(room)
    for (const event of [...(state?.events ?? []), ...(timeline?.events ?? [])]) {
      if (event.type === 'm.room.member') this.count(known, event)
      if (event.type === 'm.room.encryption' || event.type === 'm.room.history_visibility') this.rooms.delete(room)
    }
  }

  private async sealNow(room: string, type: string, content: Json): Promise<Json> {
    const known = await this.audience(room)
    await this.errands.drain()
    await this.errands.claim([...known.users])
    const shares = await this.machine.shareRoomKey(new RoomId(room), usersOf(known.users), settingsOf(known))
    for (const share of shares) await this.errands.run(share)
    return JSON.parse(await this.machine.encryptRoomEvent(new RoomId(room), type, JSON.stringify(content))) as Json
  }

  /** Who came or went while it was asked counts: whoever was removed just then gets no key any more. */
  private learn(room: string): Promise<Audience> {
    const under = this.asked.get(room)
    if (under) return under.answer
    const meanwhile: JoinedRoom[] = []
    const answer = this.ask(room)
      .finally(() => this.asked.delete(room))
      .then((known) => {
        this.rooms.set(room, known)
        for (const news of meanwhile) this.heard(room, news)
        return this.rooms.get(room) ?? this.learn(room) // something was left out, or set anew
      })
    this.asked.set(room, { answer, meanwhile })
    return answer
  }

  private async ask(room: string): Promise<Audience> {
    const types = ['m.room.encryption', 'm.room.history_visibility']
    const asked = [this.keys.members(room), ...types.map((type) => this.keys.state(room, type))] as const
    const [members, settings, history] = (await Promise.all(asked)) as [RawEvent[], Json | null, Json | null]
    if (settings?.['algorithm'] !== MEGOLM) throw new Refused(400, 'BONGSU_ALGORITHM', '')
    const visibility = VISIBILITIES.get(history?.['history_visibility']) ?? HistoryVisibility.Shared
    const known: Audience = { users: new Set(), readsInvited: visibility !== HistoryVisibility.Joined, settings, visibility }
    for (const event of members) this.count(known, event)
    return known
  }

  private count(known: Audience, { state_key: user, content }: RawEvent): void {
    if (user === undefined) return
    const { membership } = content
    if (membership === 'join' || (membership === 'invite' && known.readsInvited)) known.users.add(user)
    else known.users.delete(user)
  }
}

function settingsOf({ settings, visibility }: Audience): EncryptionSettings {
  const made = new EncryptionSettings()
  made.algorithm = EncryptionAlgorithm.MegolmV1AesSha2
  made.historyVisibility = visibility
  made.sharingStrategy = CollectStrategy.allDevices()
  const { rotation_period_ms: ms, rotation_period_msgs: messages } = settings
  if (Number.isSafeInteger(ms)) made.rotationPeriod = BigInt(ms as number) * 1_000n
  if (Number.isSafeInteger(messages)) made.rotationPeriodMessages = BigInt(messages as number)
  return made
}
