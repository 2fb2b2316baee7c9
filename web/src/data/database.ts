import { deleteDB, openDB, type DBSchema, type IDBPDatabase } from 'idb'
import type { Entry, Item, Room } from './types'

export interface Schema extends DBSchema {
  /** session, token of the stream, account data, sites, drafts */
  facts: { key: string; value: unknown }
  rooms: { key: string; value: Room }
  entries: { key: string; value: Entry; indexes: { place: [string, number] } }
  outbox: { key: string; value: Item; indexes: { place: [string, number] } }
}

export type Database = IDBPDatabase<Schema>
const NAME = 'bongsu'

/** Everything this browser keeps of an account. onGone: another tab signed out. */
export function openDatabase(onGone: () => void): Promise<Database> {
  return openDB<Schema>(NAME, 1, {
    upgrade(database) {
      database.createObjectStore('facts')
      database.createObjectStore('rooms', { keyPath: 'id' })
      database.createObjectStore('entries', { keyPath: 'id' }).createIndex('place', ['room', 'order'])
      database.createObjectStore('outbox', { keyPath: 'txn' }).createIndex('place', ['room', 'seq'])
    },
    blocking(_current, _blocked, event) {
      ;(event.target as IDBDatabase).close()
      onGone()
    },
  })
}

export const deleteDatabase = (): Promise<void> => deleteDB(NAME)

export const roomRange = (room: string, low = -Infinity, high = Infinity): IDBKeyRange =>
  IDBKeyRange.bound([room, low], [room, high])
