import { KeysBackupRequest, RequestType, RoomMessageRequest, ToDeviceRequest, UserId, type OlmMachine, type SignatureUploadRequest } from '@matrix-org/matrix-sdk-crypto-wasm'
import { Refused } from '../../net/errors'
import type { Keys } from '../../net/keys'
import type { Json, Matrix } from '../../net/matrix'

const FIRST_MS = 700
const LONGEST_MS = 60_000

export type Errand = Awaited<ReturnType<OlmMachine['outgoingRequests']>>[number] | SignatureUploadRequest

export const usersOf = (users: Iterable<string>): UserId[] => Array.from(users, (user) => new UserId(user))

/** What the machine wants to say to the server. It is told what came of it, and asks again for what failed. */
export class Errands {
  private round: Promise<void> = Promise.resolve()
  private waiting: Promise<void> | undefined
  private claims: Promise<void> = Promise.resolve()
  private timer: ReturnType<typeof setTimeout> | undefined
  private fails = 0
  private isStopped = false

  constructor(
    private readonly machine: OlmMachine,
    private readonly keys: Keys,
    private readonly matrix: Matrix,
  ) {}

  /** Everything outstanding goes out; what fails is tried again by and by. */
  soon(): void {
    void this.drain().catch(() => {})
  }

  /** The same; rejects when it could not be asked which sessions people have. Whoever comes meanwhile gets a round of their own. */
  drain(): Promise<void> {
    this.waiting ??= this.round
      .catch(() => {})
      .then(() => {
        this.waiting = undefined
        this.round = this.all()
        return this.round
      })
    return this.waiting
  }

  /** Makes it possible to write to every session of these people, and to whoever waits for an answer. One claim at a time. */
  claim(users: readonly string[]): Promise<void> {
    const claimed = this.claims.then(async () => {
      const errand = await this.machine.getMissingSessions(usersOf(users))
      if (errand) await this.run(errand)
    })
    this.claims = claimed.catch(() => {})
    return claimed
  }

  stop(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  async run(errand: Errand): Promise<void> {
    const answer = await this.send(errand)
    if (errand.id !== undefined) await this.machine.markRequestAsSent(errand.id, errand.type, JSON.stringify(answer))
  }

  private async all(): Promise<void> {
    if (this.isStopped) return
    let failure: unknown
    let isBlind = false
    await this.claim([]).catch((error) => (failure = error))
    for (const errand of await this.machine.outgoingRequests()) {
      try {
        await this.run(errand)
      } catch (error) {
        failure = error
        isBlind ||= errand.type === RequestType.KeysQuery
      }
    }
    if (failure === undefined) this.fails = 0
    else this.later(failure)
    if (isBlind) throw failure
  }

  private later(failure: unknown): void {
    if (this.isStopped) return
    const told = failure instanceof Refused ? (failure.retryAfterMs ?? 0) : 0
    const pause = Math.max(told, Math.min(LONGEST_MS, FIRST_MS * 2 ** this.fails++))
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.soon(), pause * (0.75 + Math.random() / 2))
  }

  private send(errand: Errand): Promise<Json> {
    const body = JSON.parse(errand.body) as Json
    if (errand instanceof ToDeviceRequest) return this.keys.toDevices(errand.event_type, errand.txn_id, body)
    if (errand instanceof RoomMessageRequest) return this.matrix.send(errand.room_id, errand.event_type, errand.txn_id, body)
    if (errand instanceof KeysBackupRequest) return this.keys.putBackedUp(errand.version, body)
    if (errand.type === RequestType.KeysUpload) return this.keys.upload(body)
    if (errand.type === RequestType.KeysQuery) return this.keys.query(body)
    if (errand.type === RequestType.KeysClaim) return this.keys.claim(body)
    return this.keys.signatures(body)
  }
}
