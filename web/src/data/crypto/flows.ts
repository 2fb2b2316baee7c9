import { EventId, OtherUserIdentity, OwnUserIdentity, Qr, RoomId, Sas, UserId, VerificationMethod, type OlmMachine, type VerificationRequest, DeviceId } from '@matrix-org/matrix-sdk-crypto-wasm'
import { Refused } from '../../net/errors'
import type { Matrix, RawEvent } from '../../net/matrix'
import { newTransaction } from '../outbox'
import type { Errands } from './errands'
import type { Code, Flow, Stage } from './types'

const METHODS = [VerificationMethod.SasV1, VerificationMethod.QrCodeShowV1, VerificationMethod.ReciprocateV1]
const REQUEST = 'm.key.verification.request'
const MISMATCH = 'm.mismatched_sas'
const UNREAD = 'm.key_mismatch' // what was scanned was not what is shown here

interface Under {
  request: VerificationRequest
  sas?: Sas
  /** what the other side can scan here, and how it looks */
  qr?: Qr
  code?: Code
  hasAccepted?: boolean
  hasBegun?: boolean
  hasLooked?: boolean
}

/**
 * Verifications under way. Where the other side has a camera for it, it is shown a code to scan. Else, or when somebody
 * wants to, both people compare emoji; whoever asked begins as soon as the other agreed.
 */
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

  /** The other side says that it has scanned the code that is shown here. */
  async scanned(id: string): Promise<void> {
    const message = this.get(id).qr?.confirmScanning()
    if (message) await this.errands.run(message)
    this.publish()
  }

  async mismatch(id: string): Promise<void> {
    const { sas, qr } = this.get(id)
    const message = sas ? sas.cancelWithCode(MISMATCH) : qr?.cancelWithCode(UNREAD)
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
    if (verification instanceof Qr) this.watchCode(one, verification)
    if (one.request.isPassive()) this.all.delete(one.request.flowId) // another session of one's own answers
    await this.onward(one)
  }

  private watch(one: Under, sas: Sas): void {
    one.sas = sas
    sas.registerChangesCallback(() => this.onward(one))
  }

  private watchCode(one: Under, qr: Qr): void {
    one.qr = qr
    qr.registerChangesCallback(() => this.onward(one))
  }

  /** Makes a code, if the other side can scan one. */
  private async look(one: Under): Promise<void> {
    one.hasLooked = true
    const qr = await one.request.generateQrCode().catch(() => undefined)
    if (!qr || one.sas) return
    one.code = codeOf(qr)
    this.watchCode(one, qr)
    this.publish()
  }

  private async onward(one: Under): Promise<void> {
    this.publish()
    const { request, sas } = one
    if (request.isDone() || sas?.isDone()) return this.onDone()
    if (request.isReady() && !one.hasLooked) await this.look(one)
    if (request.isReady() && request.weStarted() && !one.code && !one.hasBegun) await this.compare(request.flowId).catch(() => {})
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

/** Its points, row by row. */
function codeOf(qr: Qr): Code {
  const points = qr.toQrCode().renderIntoBuffer()
  const side = Math.sqrt(points.length)
  return { side, dark: Array.from(points, (point) => (point === 1 ? '1' : '0')).join('') }
}

function flowOf({ request, sas, qr, code }: Under): Flow {
  const stage = stageOf(request, sas, qr)
  const device = (sas?.otherDeviceId ?? request.otherDeviceId)?.toString()
  const why = (sas?.cancelInfo() ?? qr?.cancelInfo() ?? request.cancelInfo)?.cancelCode()
  const places = sas?.emojiIndex()
  const emoji = sas?.emoji()?.map(({ symbol }, at) => ({ symbol, place: places?.[at] ?? 0 }))
  return {
    id: request.flowId,
    user: request.otherUserId.toString(),
    isOwn: request.isSelfVerification(),
    stage,
    ...(code && !sas && stage === 'ready' && { code }),
    ...(device && { device }),
    ...(emoji && { emoji }),
    ...(why && { why }),
  }
}

function stageOf(request: VerificationRequest, sas: Sas | undefined, qr: Qr | undefined): Stage {
  if (request.isDone() || sas?.isDone() || qr?.isDone()) return 'done'
  if (request.isCancelled() || sas?.isCancelled()) return 'cancelled'
  if (sas?.haveWeConfirmed() || (!sas && qr?.hasBeenConfirmed())) return 'confirmed'
  if (!sas && qr?.hasBeenScanned()) return 'scanned'
  if (sas?.canBePresented()) return 'compare'
  if (sas || qr || request.isReady()) return 'ready'
  return request.weStarted() ? 'asking' : 'asked'
}
