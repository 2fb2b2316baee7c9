/** The app's own small facts on disk, as its service worker reads them. */

const NAME = 'bongsu'
const STORE = 'facts'

const done = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })

/** Null where the app has kept nothing yet; nothing is made then, for the app alone knows how. */
function open(): Promise<IDBDatabase | null> {
  const opening = indexedDB.open(NAME)
  opening.onupgradeneeded = () => opening.transaction?.abort()
  return done(opening).catch(() => null)
}

async function within<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  const database = await open()
  if (!database) return undefined
  database.onversionchange = () => database.close()
  try {
    return await done(work(database.transaction(STORE, mode).objectStore(STORE)))
  } finally {
    database.close()
  }
}

export const readFact = <T>(key: string): Promise<T | undefined> => within('readonly', (store) => store.get(key) as IDBRequest<T | undefined>)

export const writeFact = async (key: string, value: unknown): Promise<void> => void (await within('readwrite', (store) => store.put(value, key)))
