import { placeAbove } from './arrival'
import { deleteRoom, type Database } from './database'
import type { MediaShelf } from './media'
import type { Room } from './types'

const AGAIN_MS = 600_000 // where others fill the disk, nothing that is given up helps

/**
 * Room on a full disk, for what is new: first photos go, which can be fetched again; then what was said in the rooms in
 * which nobody spoke for the longest time, half of all at a time. The server has it, and gives it when somebody looks.
 */
export class Thrift {
  private running: Promise<Room[]> | undefined
  private thinnedAt = -Infinity

  constructor(
    private readonly database: Database,
    private readonly media: Pick<MediaShelf, 'giveWay'>,
  ) {}

  /** The rooms of which nothing is kept any more. Two who ask at once get the same. */
  makeRoom(): Promise<Room[]> {
    this.running ??= this.make().finally(() => (this.running = undefined))
    return this.running
  }

  private async make(): Promise<Room[]> {
    if ((await this.database.count('media')) > 0) {
      await this.media.giveWay()
      return []
    }
    if (Date.now() - this.thinnedAt < AGAIN_MS) return []
    this.thinnedAt = Date.now()
    return this.thin()
  }

  private async thin(): Promise<Room[]> {
    const transaction = this.database.transaction(['rooms', 'entries', 'facts'], 'readwrite')
    const [rooms, entries] = [transaction.objectStore('rooms'), transaction.objectStore('entries')]
    const since = (await transaction.objectStore('facts').get('since')) as string | undefined
    const all = (await rooms.getAll()).filter((room) => room.membership === 'join').toSorted((left, right) => left.lastTs - right.lastTs)
    const half = (await entries.count()) / 2
    const gone: Room[] = []
    for (let left = await entries.count(); since !== undefined && left > half && gone.length < all.length; left = await entries.count()) {
      const room = placeAbove(all[gone.length]!, since)
      await deleteRoom(entries, room.id)
      await rooms.put(room)
      gone.push(room)
    }
    await transaction.done
    return gone
  }
}
