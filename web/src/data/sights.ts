import type { Database } from './database'

const SIGHT = 'sight '
const DAY_MS = 86_400_000

export interface Seen<T> {
  at: number
  until: number
  value: T
}

/** What pages of services showed last, for the hour when nobody answers; gone after a day, and with the account. */
export class Sights {
  constructor(private readonly database: Database) {}

  async keep(name: string, value: unknown, until = Date.now() + DAY_MS): Promise<void> {
    await this.database.put('facts', { at: Date.now(), until, value } satisfies Seen<unknown>, `${SIGHT}${name}`)
  }

  async last<T>(name: string): Promise<Seen<T> | undefined> {
    const seen = (await this.database.get('facts', `${SIGHT}${name}`)) as Seen<T> | undefined
    return seen && seen.until > Date.now() ? seen : undefined
  }

  async sweep(): Promise<void> {
    for (const key of await this.database.getAllKeys('facts', IDBKeyRange.bound(SIGHT, `${SIGHT}\uffff`))) {
      const seen = (await this.database.get('facts', key)) as Seen<unknown>
      if (seen.until < Date.now()) await this.database.delete('facts', key)
    }
  }
}
