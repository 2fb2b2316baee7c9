import 'fake-indexeddb/auto'
import { DecryptionSettings, DeviceId, DeviceLists, initAsync, OlmMachine, QrCodeScan, RequestType, TrustRequirement, UserId, VerificationMethod, VerificationRequest, type OutgoingVerificationRequest, type Qr } from '@matrix-org/matrix-sdk-crypto-wasm'
import { afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { Errands } from '../src/data/crypto/errands'
import { Flows } from '../src/data/crypto/flows'
import type { Flow } from '../src/data/crypto/types'
import type { Matrix } from '../src/net/matrix'

const ME = '@me:example.org'
type Json = Record<string, any> // eslint-disable-line
interface Asked {
  id?: string | undefined
  type?: RequestType
  body: string
}

/** What of a server two sessions of one person need: their keys, and messages from one to the other. */
class Post {
  readonly devices: Json = {}
  readonly keys: Json = {}
  readonly machines = new Map<string, OlmMachine>()
  heard: (device: string, raw: string) => void = () => {}

  async join(device: string): Promise<OlmMachine> {
    const machine = await OlmMachine.initialize(new UserId(ME), new DeviceId(device))
    this.machines.set(device, machine)
    await machine.updateTrackedUsers([new UserId(ME)])
    return machine
  }

  /** Everything that the machines have to say is said. */
  async round(): Promise<void> {
    for (const machine of this.machines.values()) {
      for (const asked of await machine.outgoingRequests()) await this.answer(machine, asked as unknown as Asked)
    }
  }

  async learn(machine: OlmMachine): Promise<void> {
    await this.answer(machine, machine.queryKeysForUsers([new UserId(ME)]) as unknown as Asked)
  }

  async answer(machine: OlmMachine, asked: Asked): Promise<void> {
    const body = JSON.parse(asked.body) as Json
    let said: Json = {}
    if (asked.type === RequestType.KeysUpload) {
      if (body['device_keys']) this.devices[body['device_keys'].device_id] = body['device_keys']
      said = { one_time_key_counts: {} }
    } else if (asked.type === RequestType.KeysQuery) said = this.known()
    else if (asked.type === RequestType.SignatureUpload) this.sign(body)
    else if (asked.type === RequestType.ToDevice) await this.deliver(asked)
    if (asked.id !== undefined && asked.type !== undefined) await machine.markRequestAsSent(asked.id, asked.type, JSON.stringify(said))
  }

  private known(): Json {
    const { master_key: master, self_signing_key: self, user_signing_key: user } = this.keys
    return { device_keys: { [ME]: this.devices }, ...(master && { master_keys: { [ME]: master }, self_signing_keys: { [ME]: self }, user_signing_keys: { [ME]: user } }) }
  }

  sign(body: Json): void {
    for (const [name, signed] of Object.entries(body[ME] ?? {}) as [string, Json][]) {
      const at = this.devices[name] ?? this.keys['master_key']
      at.signatures[ME] = { ...at.signatures[ME], ...signed['signatures'][ME] }
    }
  }

  private async deliver(asked: Asked & { event_type?: string }): Promise<void> {
    const { messages } = JSON.parse(asked.body) as Json
    for (const [device, content] of Object.entries(messages[ME] ?? {})) {
      const to = device === '*' ? [...this.machines.keys()] : [device]
      for (const one of to) await this.hand(one, asked.event_type!, content)
    }
  }

  private async hand(device: string, type: string, content: unknown): Promise<void> {
    const machine = this.machines.get(device)!
    const event = { type, sender: ME, content }
    await machine.receiveSyncChanges(JSON.stringify([event]), new DeviceLists(), new Map(), new Set(), new DecryptionSettings(TrustRequirement.Untrusted))
    this.heard(device, JSON.stringify(event))
  }
}

const { generateQrCode } = VerificationRequest.prototype
beforeAll(async () => initAsync())
afterEach(() => vi.restoreAllMocks())

/** A session that shows codes, and one that verifies with these methods. */
async function two(methods: VerificationMethod[]) {
  const post = new Post()
  const [shows, other] = [await post.join('SHOWS'), await post.join('OTHER')]
  await post.round()
  const made = await shows.bootstrapCrossSigning(true)
  Object.assign(post.keys, JSON.parse(made.uploadSigningKeysRequest.body))
  post.sign(JSON.parse(made.uploadSignaturesRequest.body))
  for (const machine of [shows, other]) await post.learn(machine)
  let shown: Flow[] = []
  let hasEnded = 0
  const errands = { run: (asked: Asked) => post.answer(shows, asked) } as unknown as Errands
  const flows = new Flows(shows, errands, {} as Matrix, ME, (now) => (shown = now), () => hasEnded++)
  post.heard = (device, raw) => device === 'SHOWS' && flows.heard(raw)
  const codes: Qr[] = []
  vi.spyOn(VerificationRequest.prototype, 'generateQrCode').mockImplementation(async function (this: VerificationRequest) {
    const qr = await generateQrCode.call(this)
    if (qr) codes.push(qr)
    return qr
  })
  await flows.verifyOwn()
  const request = other.getVerificationRequests(new UserId(ME))[0]!
  const send = (message: OutgoingVerificationRequest | undefined) => message && post.answer(other, message as unknown as Asked)
  await send(request.acceptWithMethods(methods))
  const stage = (wanted: Flow['stage']) => vi.waitFor(() => expect(shown.map((flow) => flow.stage)).toEqual([wanted]))
  return { post, other, flows, request, send, stage, codes, flow: () => shown[0]!, ended: () => hasEnded }
}

const SCANS = [VerificationMethod.SasV1, VerificationMethod.QrCodeScanV1, VerificationMethod.ReciprocateV1]

test('who has a camera scans the code that is shown, and both are verified', async () => {
  const { other, flows, request, send, stage, codes, flow, ended } = await two(SCANS)
  await vi.waitFor(() => expect(flow().code).toBeDefined())
  const { side, dark } = flow().code!
  expect([side % 4, dark.length, /^1{7}0/.test(dark)]).toEqual([1, side * side, true]) // the corner that cameras look for
  const scan = await request.scanQrCode(QrCodeScan.fromBytes(codes[0]!.toBytes()))
  await send(scan.reciprocate())
  await stage('scanned')
  await flows.scanned(flow().id)
  await vi.waitFor(() => expect(scan.isDone() || request.isDone()).toBe(true))
  for (const message of await other.outgoingRequests()) await send(message as unknown as OutgoingVerificationRequest)
  await stage('done')
  expect(ended()).toBeGreaterThan(0)
  const seen = await other.getDevice(new UserId(ME), new DeviceId('SHOWS'))
  expect(seen!.isVerified()).toBe(true)
})

test('a code that was not scanned by the other one is taken back', async () => {
  const { flows, request, send, stage, codes, flow } = await two(SCANS)
  await vi.waitFor(() => expect(flow().code).toBeDefined())
  const scan = await request.scanQrCode(QrCodeScan.fromBytes(codes[0]!.toBytes()))
  await send(scan.reciprocate())
  await stage('scanned')
  await flows.mismatch(flow().id)
  await stage('cancelled')
  expect([flow().why, request.isCancelled()]).toEqual(['m.key_mismatch', true])
})

test('emoji are compared instead when somebody wants to, and at once with who has no camera', async () => {
  const chosen = await two(SCANS)
  await vi.waitFor(() => expect(chosen.flow().code).toBeDefined())
  expect(chosen.request.getVerification()).toBeUndefined()
  await chosen.flows.compare(chosen.flow().id)
  expect([chosen.request.getVerification() !== undefined, chosen.flow().code]).toEqual([true, undefined])
  const blind = await two([VerificationMethod.SasV1])
  await vi.waitFor(() => expect(blind.request.getVerification()).toBeDefined())
  expect(blind.codes).toEqual([])
})
