import { Refused } from '../net/errors'
import type { Json, Matrix } from '../net/matrix'
import { isSaid, leftRoom, readUpTo } from './arrival'
import { contentOf } from './content'
import { deleteRoom, type Database } from './database'
import type { Drafts } from './drafts'
import type { Known } from './known'
import { PINNED, repinned, type Pinning } from './pins'
import type { Push } from './push'
import { conversationOf } from './threads'
import type { Room } from './types'

const ENCRYPTION = 'm.room.encryption'
const MEGOLM = { algorithm: 'm.megolm.v1.aes-sha2' }
const TYPING_MS = 4_000

/** Rooms as somebody enters, leaves and arranges them. */
export class Chats {
  private readonly typists = new Map<string, string[]>()
  private readonly readTo = new Map<string, string>()
  private typedAt = 0

  constructor(
    private readonly known: Known,
    private readonly database: Database,
    private readonly matrix: Matrix,
    private readonly drafts: Drafts,
    private readonly push: Push,
  ) {}

  /** The room for two with somebody; made, if there is none. isSecret: an encrypted one is wanted. */
  async direct(user: string, isSecret = false): Promise<string> {
    const isIt = (room: Room | undefined) => room?.membership === 'join' && (!isSecret || room.encrypted)
    const before = this.known.account.direct[user]?.find((id) => isIt(this.known.room(id)))
    if (before) return before
    const body = { preset: 'trusted_private_chat', is_direct: true, invite: [user], ...secrecy(isSecret) }
    const { room_id: room } = await this.matrix.createRoom(body)
    await this.addDirect(user, room)
    return room
  }

  async group(name: string, people: string[], isSecret = false): Promise<string> {
    const body = { preset: 'private_chat', invite: people, ...(name && { name }), ...secrecy(isSecret) }
    return (await this.matrix.createRoom(body)).room_id
  }

  /** From now on, and for ever, what is said in a room is encrypted. */
  async encrypt(id: string): Promise<void> {
    await this.matrix.setState(id, ENCRYPTION, MEGOLM)
    await this.known.patch(id, (room) => ({ ...room, encrypted: true }))
  }

  /** A link, an alias or an id. */
  async join(address: string): Promise<string> {
    const before = this.known.room(address)
    const inviter = before?.isDirect ? before.inviter : undefined
    const room = (await this.matrix.join(roomAddress(address))).room_id
    if (inviter) await this.addDirect(inviter, room)
    return room
  }

  async leave(id: string): Promise<void> {
    await this.matrix.leave(id)
    void this.matrix.forget(id).catch(() => {}) // it is out of the list either way
    const transaction = this.database.transaction(['entries', 'outbox'], 'readwrite')
    await deleteRoom(transaction.objectStore('entries'), id)
    await deleteRoom(transaction.objectStore('outbox'), id)
    await transaction.done
    await this.drafts.dropOf(id)
    await this.known.patch(id, leftRoom)
  }

  async setMuted(id: string, is: boolean): Promise<void> {
    await this.matrix.mute(id, is)
    const muted = this.known.account.muted.filter((room) => room !== id)
    this.known.changedAccount({ muted: is ? [...muted, id] : muted })
  }

  /** Everybody who is in the room; asked of the server, for a sync tells only of those who spoke. */
  async loadMembers(id: string): Promise<void> {
    const { joined } = await this.matrix.members(id)
    await this.known.patch(id, (room) => {
      const here = Object.entries(joined).map(([user, { display_name: name, avatar_url: avatar }]) => {
        return [user, { membership: 'join', ...(name && { name }), ...(avatar && { avatar }) }] as const
      })
      const others = Object.entries(room.members).filter(([, member]) => member.membership !== 'join')
      return { ...room, joined: here.length, members: { ...Object.fromEntries(others), ...Object.fromEntries(here) } }
    })
  }

  /** Where people are named: everybody has to be known, and once is enough. */
  async loadMembersOnce(id: string): Promise<void> {
    const room = this.known.room(id)
    const known = Object.values(room?.members ?? {}).filter((member) => member.membership === 'join')
    if (room && known.length < room.joined) await this.loadMembers(id).catch(() => {}) // those that are known can be named
  }

  /** The list is read anew first, so that what somebody else pinned meanwhile stays. */
  async pin(id: string, event: string, how: Pinning): Promise<void> {
    const told = await this.matrix.state(id, PINNED).catch((error) => {
      if (error instanceof Refused && error.code === 'M_NOT_FOUND') return {} as Json
      throw error
    })
    const pinned = repinned(contentOf(told).pinned ?? [], event, how)
    if (!pinned) return
    await this.matrix.setState(id, PINNED, { ...told, pinned })
    await this.known.patch(id, (room) => ({ ...room, pinned }))
  }

  /** Threads that have something unread stay unread when the room is read; without any, one receipt does for all. */
  async markRead(id: string, event: string, thread?: string): Promise<void> {
    const place = `${id} ${thread ?? ''}`
    if (this.readTo.get(place) === event) return
    this.readTo.set(place, event)
    const hasThreads = Object.keys(this.known.room(id)?.threads ?? {}).length > 0
    try {
      void this.push.read(id).catch(() => {})
      await (thread !== undefined || hasThreads ? this.matrix.readIn(thread ?? 'main', id, event) : this.matrix.read(id, event))
      const isAll = !(await this.hasLater(id, event, thread))
      await this.known.patch(id, (room) => readUpTo(room, this.known.me, event, thread, isAll))
    } catch {
      this.readTo.delete(place) // the next look tries again
    }
  }

  /** Did somebody else say something after it? That came while the receipt was on its way, and is not read. */
  private async hasLater(id: string, event: string, thread: string | undefined): Promise<boolean> {
    const { store } = this.database.transaction('entries')
    const read = await store.get(event)
    if (!read) return false
    const after = IDBKeyRange.bound([id, read.order], [id, Infinity], true)
    for (let cursor = await store.index('place').openCursor(after); cursor; cursor = await cursor.continue()) {
      const { sender, type, redacted } = cursor.value
      if (sender !== this.known.me && isSaid(type) && !redacted && conversationOf(cursor.value) === thread) return true
    }
    return false
  }

  typing(id: string): string[] {
    return (this.typists.get(id) ?? []).filter((user) => user !== this.known.me)
  }

  setTypists(room: string, users: string[]): void {
    this.typists.set(room, users)
    this.known.emit(`typing ${room}`)
  }

  typed(id: string, isTyping: boolean): void {
    const now = Date.now()
    if (isTyping && now - this.typedAt < TYPING_MS) return
    if (!isTyping && this.typedAt === 0) return
    this.typedAt = isTyping ? now : 0
    void this.matrix.typing(id, this.known.me, isTyping).catch(() => {})
  }

  private async addDirect(user: string, room: string): Promise<void> {
    const before = this.known.account.direct
    const direct = { ...before, [user]: [room, ...(before[user] ?? [])] }
    await this.matrix.setAccountData(this.known.me, 'm.direct', direct)
    this.known.changedAccount({ direct })
  }
}

/** What makes a new room encrypted. */
const secrecy = (is: boolean): Json => (is ? { initial_state: [{ type: ENCRYPTION, state_key: '', content: MEGOLM }] } : {})

/** https://matrix.to/#/…, https://this.server/app/join/… or what was typed. */
export function roomAddress(typed: string): string {
  const address = typed.trim()
  const inLink = /^https?:\/\/[^#]*(?:\/app\/join\/|#\/)([^?/]+)/.exec(address)?.[1]
  return inLink ? decoded(inLink) : address
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part // no link that this or any client made; the server says so
  }
}
