import { deleteDB, openDB, type DBSchema, type IDBPDatabase, type IDBPObjectStore, type StoreNames } from 'idb'
import type { Intent } from './intents'
import { MEDIA_CACHE, type KeptFile } from './mediaCache'
import type { Entry, Item, Room } from './types'

export interface Schema extends DBSchema {
  /** session, token of the stream, account data, sites, drafts */
  facts: { key: string; value: unknown }
  rooms: { key: string; value: Room }
  entries: { key: string; value: Entry; indexes: { place: [string, number]; sealed: string } }
  outbox: { key: string; value: Item; indexes: { place: [string, number] } }
  media: { key: string; value: KeptFile }
  /** writes of services that are under way */
  intents: { key: string; value: Intent }
}

export type Database = IDBPDatabase<Schema>
/** A store of a transaction that writes, whatever else is in it. */
export type Store<Name extends StoreNames<Schema>> = IDBPObjectStore<Schema, [Name, ...StoreNames<Schema>[]], Name, 'readwrite'>

const NAME = 'bongsu'
const VERSION = 5

/** Everything this browser keeps of an account. onGone: another tab signed out, or the browser took the database away. */
export function openDatabase(onGone: () => void): Promise<Database> {
  return openDB<Schema>(NAME, VERSION, {
    upgrade(database, before, _, transaction) {
      if (before < 3) database.createObjectStore('intents', { keyPath: 'key' })
      if (before === 0) {
        database.createObjectStore('facts')
        database.createObjectStore('outbox', { keyPath: 'txn' }).createIndex('place', ['room', 'seq'])
      } else {
        // what only repeats the server is fetched anew; the session and what waits to be sent stay
        for (const name of ['rooms', 'entries', 'media'] as const) if (database.objectStoreNames.contains(name)) database.deleteObjectStore(name)
        void transaction.objectStore('facts').delete('since')
        if ('caches' in globalThis) void caches.delete(MEDIA_CACHE)
      }
      database.createObjectStore('rooms', { keyPath: 'id' })
      const entries = database.createObjectStore('entries', { keyPath: 'id' })
      entries.createIndex('place', ['room', 'order'])
      entries.createIndex('sealed', 'sealed.session') // the few that are still encrypted, by whose key they wait for
      database.createObjectStore('media', { keyPath: 'name' })
    },
    blocking(_current, _blocked, event) {
      ;(event.target as IDBDatabase).close()
      onGone()
    },
    terminated: onGone,
  })
}

export const deleteDatabase = (): Promise<void> => deleteDB(NAME)

const CLOSE_MS = 3_000

/** Empties it, then deletes it: a tab that sleeps and does not let go of it keeps an empty one. */
export async function destroy(database: Database): Promise<void> {
  const names = [...database.objectStoreNames]
  const transaction = database.transaction(names, 'readwrite')
  await Promise.all([...names.map((name) => transaction.objectStore(name).clear()), transaction.done]).catch(() => {})
  database.close()
  const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS))
  await Promise.race([deleteDatabase(), late])
}

export const roomRange = (room: string, low = -Infinity, high = Infinity): IDBKeyRange =>
  IDBKeyRange.bound([room, low], [room, high])

/** Deletes all that a store keeps of a room. */
export async function deleteRoom(store: Store<'entries'> | Store<'outbox'>, room: string): Promise<void> {
  const places = (store as Store<'entries'>).index('place') // both have one
  for (const key of await places.getAllKeys(roomRange(room))) await store.delete(key)
}
