import { EventId, OtherUserIdentity, OwnUserIdentity, RoomId, Sas, UserId, VerificationMethod, type OlmMachine, type VerificationRequest, DeviceId } from '@matrix-org/matrix-sdk-crypto-wasm'
import { Refused } from '../../net/errors'
import type { Matrix, RawEvent } from '../../net/matrix'
import { newTransaction } from '../outbox'
import type { Errands } from './errands'
import type { Flow, Stage } from './types'

const METHODS = [VerificationMethod.SasV1]
const REQUEST = 'm.key.verification.request'
const MISMATCH = 'm.mismatched_sas'

interface Under {
  request: VerificationRequest
  sas?: Sas
  hasAccepted?: boolean
  hasBegun?: boolean
}

/** Verifications under way. Both people compare emoji; whoever asked begins as soon as the other agreed. */
export class Flows {
  private readonly all = new Map<string, Under>()

  constructor(
    private readonly machine: OlmMachine,
    private readonly errands: Errands,
    private readonly matrix: Matrix,
    private readonly me: string,
    private readonly tell: (flows: Flow[]) => void,
    private readonly onDone: () => void,
  ) {}

  // --- what arrives ---

  /** A message between devices, decrypted if it was encrypted. */
  heard(raw: string): void {
    const { type, sender, content } = JSON.parse(raw) as { type: string; sender: string; content: { transaction_id?: string } }
    if (type === REQUEST && content.transaction_id) this.find(sender, content.transaction_id)
  }

  /** An event of a room, decrypted if it was encrypted. */
  async heardIn(room: string, event: RawEvent): Promise<void> {
    const { opened, ...rest } = event
    const clear = { ...rest, type: opened?.type ?? event.type, content: opened?.content ?? event.content }
    if (!clear.type.startsWith('m.key.verification.') && clear.content['msgtype'] !== REQUEST) return
    await this.machine.receiveVerificationEvent(JSON.stringify(clear), new RoomId(room))
    if (clear.content['msgtype'] === REQUEST && event.sender !== this.me) this.find(event.sender, event.event_id ?? '')
  }

  private find(user: string, id: string): void {
    const request = this.machine.getVerificationRequest(new UserId(user), id)
    if (request) this.adopt(request)
  }

  // --- what people want ---

  /** Asks all other sessions of one's own, or one of them. */
  async verifyOwn(device?: string): Promise<void> {
    if (device) return this.verifySession(this.me, device)
    const identity = await this.machine.getIdentity(new UserId(this.me))
    if (!(identity instanceof OwnUserIdentity)) throw new Refused(404, 'BONGSU_NO_IDENTITY', '')
    const [request, message] = await identity.requestVerification(METHODS)
    this.adopt(request)
    await this.errands.run(message)
  }

  async verifySession(user: string, device: string): Promise<void> {
    const known = await this.machine.getDevice(new UserId(user), new DeviceId(device))
    if (!known) throw new Refused(404, 'BONGSU_NO_IDENTITY', '')
    const [request, message] = known.requestVerification(METHODS)
    this.adopt(request)
    await this.errands.run(message)
  }

  /** Asks somebody, in the room for two. */
  async verifyPerson(user: string, room: string): Promise<void> {
    const identity = await this.machine.getIdentity(new UserId(user))
    if (!(identity instanceof OtherUserIdentity)) throw new Refused(404, 'BONGSU_NO_IDENTITY', '')
    const content = JSON.parse(identity.verificationRequestContent(METHODS)) as Record<string, unknown>
    const { event_id: event } = await this.matrix.send(room, 'm.room.message', newTransaction(), content)
    this.adopt(identity.requestVerification(new RoomId(room), new EventId(event), METHODS))
  }

  async agree(id: string): Promise<void> {
    const { request } = this.get(id)
    const message = request.acceptWithMethods(METHODS)
    if (message) await this.errands.run(message)
    this.publish()
  }

  /** Begins to compare emoji. */
  async compare(id: string): Promise<void> {
    const one = this.get(id)
    one.hasBegun = true
    const started = await one.request.startSas()
    if (!started) return
    this.watch(one, started[0])
    await this.errands.run(started[1])
  }

  async confirm(id: string): Promise<void> {
    for (const message of (await this.get(id).sas?.confirm()) ?? []) await this.errands.run(message)
    this.publish()
  }

  async mismatch(id: string): Promise<void> {
    const message = this.get(id).sas?.cancelWithCode(MISMATCH)
    if (message) await this.errands.run(message)
    this.publish()
  }

  async cancel(id: string): Promise<void> {
    const message = this.get(id).request.cancel()
    this.dismiss(id)
    if (message) await this.errands.run(message)
  }

  dismiss(id: string): void {
    this.all.delete(id)
    this.publish()
  }

  // --- how it goes ---

  private get(id: string): Under {
    const one = this.all.get(id)
    if (!one) throw new Refused(404, 'BONGSU_FLOW_GONE', '')
    return one
  }

  private adopt(request: VerificationRequest): void {
    if (this.all.has(request.flowId) || request.isDone() || request.isCancelled()) return
    const one: Under = { request }
    this.all.set(request.flowId, one)
    request.registerChangesCallback(() => this.moved(one))
    this.publish()
  }

  private async moved(one: Under): Promise<void> {
    const verification = one.request.getVerification()
    if (verification instanceof Sas) this.watch(one, verification)
    if (one.request.isPassive()) this.all.delete(one.request.flowId) // another session of one's own answers
    await this.onward(one)
  }

  private watch(one: Under, sas: Sas): void {
    one.sas = sas
    sas.registerChangesCallback(() => this.onward(one))
  }

  private async onward(one: Under): Promise<void> {
    this.publish()
    const { request, sas } = one
    if (request.isDone() || sas?.isDone()) return this.onDone()
    if (request.isReady() && request.weStarted() && !one.hasBegun) await this.compare(request.flowId).catch(() => {})
    if (sas && !sas.weStarted() && !one.hasAccepted && !sas.isCancelled()) {
      one.hasAccepted = true
      const message = sas.accept()
      if (message) await this.errands.run(message).catch(() => (one.hasAccepted = false))
    }
  }

  private publish(): void {
    this.tell([...this.all.values()].map(flowOf))
  }
}

function flowOf({ request, sas }: Under): Flow {
  const device = (sas?.otherDeviceId ?? request.otherDeviceId)?.toString()
  const why = (sas?.cancelInfo() ?? request.cancelInfo)?.cancelCode()
  const places = sas?.emojiIndex()
  const emoji = sas?.emoji()?.map(({ symbol }, at) => ({ symbol, place: places?.[at] ?? 0 }))
  return {
    id: request.flowId,
    user: request.otherUserId.toString(),
    isOwn: request.isSelfVerification(),
    stage: stageOf(request, sas),
    ...(device && { device }),
    ...(emoji && { emoji }),
    ...(why && { why }),
  }
}

function stageOf(request: VerificationRequest, sas: Sas | undefined): Stage {
  if (request.isDone() || sas?.isDone()) return 'done'
  if (request.isCancelled() || sas?.isCancelled()) return 'cancelled'
  if (sas?.haveWeConfirmed()) return 'confirmed'
  if (sas?.canBePresented()) return 'compare'
  if (sas || request.isReady()) return 'ready'
  return request.weStarted() ? 'asking' : 'asked'
}
