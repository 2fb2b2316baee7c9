import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import { isOpen, type Intent } from './intents'
import { mayBeThere } from './outbox'
import type { Item } from './types'

interface Kept {
  txn: string
  user: string
  item: Item
}

interface Draft {
  user: string
  room: string
  text: string
}

interface KeptIntent {
  key: string
  user: string
  intent: Intent
}

interface Schema extends DBSchema {
  items: { key: string; value: Kept; indexes: { user: string } }
  drafts: { key: [string, string]; value: Draft; indexes: { user: string } }
  intents: { key: string; value: KeptIntent; indexes: { user: string } }
}

/** What somebody had written or wanted, and had no answer to. drafts: texts by room. */
export interface Belongings {
  items: readonly Item[]
  intents: readonly Intent[]
  drafts: ReadonlyMap<string, string>
}

export const isNothing = ({ items, intents, drafts }: Belongings): boolean => items.length + intents.length + drafts.size === 0

/** Whose messages and requests wait on this device, and how many. */
export interface Waiting {
  user: string
  count: number
}

const NAME = 'bongsu-left'
const STORES = ['items', 'drafts', 'intents'] as const

/**
 * An item as it waits for its author, whose session the server has ended. Undefined: it is sent already. A transaction id
 * belongs to a device, so the next one has to ask what became of it; so does what was encrypted, so it is encrypted anew.
 */
export function leaving(item: Item, device: string): Item | undefined {
  if (item.state === 'sent') return undefined
  const { formerly, sealed: _, ...rest } = item
  if (item.state === 'failed') return rest
  const asks = formerly ?? (mayBeThere(item) ? device : undefined)
  return { ...rest, state: 'queued', notBefore: 0, cannot: false, ...(asks !== undefined && { formerly: asks }) }
}

/** What a service was asked for waits as it is: the server knows its key by the person, whatever device asks. */
export const leavingIntent = (intent: Intent): Intent | undefined =>
  isOpen(intent) ? { ...intent, state: 'queued', notBefore: 0 } : intent.state === 'failed' ? intent : undefined

async function inside<T>(work: (database: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
  const database = await openDB<Schema>(NAME, 1, {
    upgrade(created) {
      created.createObjectStore('items', { keyPath: 'txn' }).createIndex('user', 'user')
      created.createObjectStore('drafts', { keyPath: ['user', 'room'] }).createIndex('user', 'user')
      created.createObjectStore('intents', { keyPath: 'key' }).createIndex('user', 'user')
    },
  })
  try {
    return await work(database)
  } finally {
    database.close()
  }
}

/**
 * What people had not sent when the server ended their sessions. It lies beside the database of whoever is signed in, so
 * that nobody else sees it, and nobody's signing out takes it away.
 */
export const left = {
  keep(user: string, { items, intents, drafts }: Belongings): Promise<void> {
    return inside(async (database) => {
      const transaction = database.transaction(STORES, 'readwrite')
      for (const item of items) void transaction.objectStore('items').put({ txn: item.txn, user, item })
      for (const intent of intents) void transaction.objectStore('intents').put({ key: intent.key, user, intent })
      for (const [room, text] of drafts) void transaction.objectStore('drafts').put({ user, room, text })
      await transaction.done
    })
  },

  of(user: string): Promise<Belongings> {
    return inside(async (database) => ({
      items: (await database.getAllFromIndex('items', 'user', user)).map((kept) => kept.item),
      intents: (await database.getAllFromIndex('intents', 'user', user)).map((kept) => kept.intent),
      drafts: new Map((await database.getAllFromIndex('drafts', 'user', user)).map(({ room, text }) => [room, text])),
    }))
  },

  drop(user: string): Promise<void> {
    return inside(async (database) => {
      const transaction = database.transaction(STORES, 'readwrite')
      for (const name of STORES) {
        const store = transaction.objectStore(name)
        for (const key of await store.index('user').getAllKeys(user)) await store.delete(key as never)
      }
      await transaction.done
    })
  },

  people(): Promise<Waiting[]> {
    return inside(async (database) => {
      const counts = new Map<string, number>()
      for (const { user } of [...(await database.getAll('items')), ...(await database.getAll('intents'))]) counts.set(user, (counts.get(user) ?? 0) + 1)
      return [...counts].map(([user, count]) => ({ user, count }))
    })
  },
}
