import 'fake-indexeddb/auto'
import { beforeEach, expect, test } from 'vitest'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import { Drafts } from '../src/data/drafts'
import type { Told } from '../src/data/tabs'

const ROOM = '!room:example.org'
let database: Database

beforeEach(async () => {
  database?.close()
  await deleteDatabase()
  database = await openDatabase(() => {})
})

/** Tabs that hear each other. */
function tabs(count: number): Drafts[] {
  const all: Drafts[] = []
  for (let number = 0; number < count; number++) {
    const tell = (told: Told) => all.forEach((one, at) => told.kind === 'draft' && at !== number && one.heard(told.place, told.text))
    all.push(new Drafts(database, { emit: () => {} }, { tell }))
  }
  return all
}

test('what was begun in one tab and sent is offered in no other', async () => {
  const [one, other] = tabs(2) as [Drafts, Drafts]
  await one.keep(ROOM, '불이')
  expect(other.of(ROOM)).toBe('불이')
  await one.keep(ROOM, '')
  expect([other.of(ROOM), (await other.kept()).size]).toEqual(['', 0])
})

test('it is there after a reload, and goes with its room', async () => {
  const [one] = tabs(1) as [Drafts]
  await database.put('facts', { [ROOM]: '옛 글' }, 'drafts') // as it was kept once
  await one.keep(`${ROOM} $thread`, '답글')
  const [again] = tabs(1) as [Drafts]
  await again.remember()
  expect([again.of(ROOM), again.of(`${ROOM} $thread`)]).toEqual(['옛 글', '답글'])
  await again.dropOf(ROOM)
  expect((await again.kept()).size).toBe(0)
})
