import 'fake-indexeddb/auto'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { deleteDatabase, openDatabase, type Database } from '../src/data/database'
import type { Health } from '../src/data/health'
import { newItem, Outbox } from '../src/data/outbox'
import { Weather } from '../src/data/weather'
import { Sites } from '../src/net/sites'

let database: Database

beforeEach(async () => {
  database?.close()
  await deleteDatabase()
  database = await openDatabase(() => {})
})
afterEach(() => void vi.restoreAllMocks())

function weather() {
  const told: Health[] = []
  const outbox = new Outbox(database)
  return { told, outbox, one: new Weather({ emit: () => {} }, outbox, new Sites(['http://one']), (health) => told.push(health)) }
}

test('what is found out is told once, and the end of it as well', async () => {
  const { told, outbox, one } = weather()
  await outbox.put(newItem({ room: '!r:x', type: 'm.room.message', content: {} }, Date.now()))
  one.failed('cut')
  one.watch()
  await vi.waitFor(() => expect(told.map(({ kind }) => kind)).toEqual(['offline']), 5_000)
  expect(told[0]).toMatchObject({ waiting: 1 })
  expect(one.heard()).toBe(true)
  await vi.waitFor(() => expect(told.map(({ kind }) => kind)).toEqual(['offline', 'normal']), 5_000)
  expect(one.heard()).toBe(false)
  one.stop()
})

test('after a sleep nobody knows whether anybody is being asked', () => {
  const { one } = weather()
  const now = Date.now()
  expect(one.isDoubtful).toBe(false)
  vi.spyOn(Date, 'now').mockReturnValue(now + 31_000)
  expect(one.isDoubtful).toBe(true)
  one.heard()
  expect(one.isDoubtful).toBe(false)
  one.failed('cut')
  expect(one.isDoubtful).toBe(true)
})

test('a database that is just closing says nothing', async () => {
  const { told, one } = weather()
  database.close()
  one.failed('cut')
  one.heard()
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(told).toEqual([])
})
