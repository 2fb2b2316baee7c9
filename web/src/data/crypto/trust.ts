import { OtherUserIdentity, OwnUserIdentity, UserId, type Device, type OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import type { KnownPerson, KnownSession } from './types'

type Identity = OwnUserIdentity | OtherUserIdentity | undefined

/** Whom one talks with, as far as keys tell. */
export class Trust {
  constructor(
    private readonly machine: OlmMachine,
    private readonly me: string,
    private readonly device: string,
  ) {}

  async sessions(user: string): Promise<KnownSession[]> {
    const found = (await this.machine.getUserDevices(new UserId(user))).devices().filter((device) => !device.isDeleted())
    return found.map((device) => this.session(user, device)).toSorted((left, right) => Number(right.isThis) - Number(left.isThis))
  }

  async person(user: string): Promise<KnownPerson> {
    const identity = await this.machine.getIdentity(new UserId(user))
    const sessions = await this.sessions(user)
    return { user, sessions, trust: trustIn(identity, sessions) }
  }

  /** The new key is taken for theirs, without having been compared. */
  async accept(user: string): Promise<void> {
    const identity = await this.machine.getIdentity(new UserId(user))
    if (!(identity instanceof OtherUserIdentity)) return
    if (identity.wasPreviouslyVerified()) await identity.withdrawVerification()
    await identity.pinCurrentMasterKey()
  }

  private session(user: string, device: Device): KnownSession {
    const id = device.deviceId.toString()
    const isThis = user === this.me && id === this.device
    const trust = device.isVerified() ? 'verified' : device.isCrossSignedByOwner() ? 'signed' : 'unsigned'
    return { device: id, name: device.displayName ?? '', trust, isThis }
  }
}

function trustIn(identity: Identity, sessions: readonly KnownSession[]): KnownPerson['trust'] {
  if (!identity) return sessions.length > 0 ? 'sessions' : 'keyless'
  if (identity.isVerified()) return 'verified'
  if (identity.hasVerificationViolation()) return 'changed'
  return identity instanceof OtherUserIdentity && identity.identityNeedsUserApproval() ? 'renewed' : 'known'
}
