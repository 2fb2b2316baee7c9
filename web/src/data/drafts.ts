import type { Database } from './database'
import type { Known } from './known'
import type { Tabs } from './tabs'

export const DRAFT = 'draft '
const ALL = () => IDBKeyRange.bound(DRAFT, `${DRAFT}\uffff`)

/** What somebody has begun to write, by room or thread. Each lies under a name of its own, so that two tabs do not write over each other. */
export class Drafts {
  private readonly texts = new Map<string, string>()

  constructor(
    private readonly database: Database,
    private readonly known: Pick<Known, 'emit'>,
    private readonly tabs: Pick<Tabs, 'tell'>,
  ) {}

  of(place: string): string {
    return this.texts.get(place) ?? ''
  }

  /** All that lie on this disk, those of other tabs as well. */
  async kept(): Promise<Map<string, string>> {
    const transaction = this.database.transaction('facts')
    const [names, texts] = await Promise.all([transaction.store.getAllKeys(ALL()), transaction.store.getAll(ALL())])
    return new Map(names.map((name, at) => [name.slice(DRAFT.length), texts[at] as string]))
  }

  async keep(place: string, text: string): Promise<void> {
    this.texts.set(place, text)
    await (text ? this.database.put('facts', text, `${DRAFT}${place}`) : this.database.delete('facts', `${DRAFT}${place}`))
    this.tabs.tell({ kind: 'draft', place, text })
    this.known.emit(`room ${place}`)
  }

  /** Another tab kept it: what was sent there is not offered here once more. */
  heard(place: string, text: string): void {
    this.texts.set(place, text)
    this.known.emit(`room ${place}`)
  }

  /** Of a room and its threads. */
  async dropOf(room: string): Promise<void> {
    for (const place of [...this.texts.keys()].filter((one) => one === room || one.startsWith(`${room} `))) await this.keep(place, '')
  }

  async clear(): Promise<void> {
    this.texts.clear()
    await this.database.delete('facts', ALL())
  }

  /** Once they were all in one. */
  async remember(): Promise<void> {
    const once = ((await this.database.get('facts', 'drafts')) as Record<string, string> | undefined) ?? {}
    for (const [room, text] of Object.entries(once)) await this.database.put('facts', text, `${DRAFT}${room}`)
    await this.database.delete('facts', 'drafts')
    for (const [place, text] of await this.kept()) this.texts.set(place, text)
  }
}
