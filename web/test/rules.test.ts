import { expect, test } from 'vitest'
import { addKeyword, mutedRooms, readRules, removeKeyword, setDefaults, setOn, setRoom, type Rules } from '../src/data/rules'

const NOISE = { set_tweak: 'sound', value: 'default' }
const predefined = (id: string, actions: unknown[]) => ({ rule_id: id, default: true, enabled: true, actions })

/** As the server has them for somebody who changed nothing. */
const DEFAULTS: Rules = {
  override: [{ ...predefined('.m.rule.master', []), enabled: false }, predefined('.m.rule.invite_for_me', ['notify', NOISE]), predefined('.m.rule.is_user_mention', ['notify', NOISE, { set_tweak: 'highlight' }])],
  content: [],
  room: [],
  underride: [
    predefined('.m.rule.encrypted_room_one_to_one', ['notify', NOISE]),
    predefined('.m.rule.room_one_to_one', ['notify', NOISE]),
    predefined('.m.rule.message', ['notify']),
    predefined('.m.rule.encrypted', ['notify']),
  ],
}
const silent = (room: string) => ({ rule_id: 'x', enabled: true, actions: [], conditions: [{ kind: 'event_match', key: 'room_id', pattern: room }] })

test('what the predefined rules mean', () => {
  expect(readRules(DEFAULTS)).toEqual({ isOn: true, groups: 'all', sound: 'direct', keywords: [], rooms: {} })
  expect(setDefaults(DEFAULTS, 'all', 'direct')).toEqual([])
})

test('groups that tell of mentions only', () => {
  const edits = setDefaults(DEFAULTS, 'mentions', 'direct')
  expect(edits).toEqual(['.m.rule.message', '.m.rule.encrypted'].map((id) => ({ kind: 'underride', id, sub: 'actions', body: { actions: [] } })))
})

test('no sound at all, and sound for all', () => {
  const none = setDefaults(DEFAULTS, 'all', 'none')
  expect(none.map((edit) => edit.id).toSorted()).toEqual(['.m.rule.encrypted_room_one_to_one', '.m.rule.invite_for_me', '.m.rule.is_user_mention', '.m.rule.room_one_to_one'])
  expect(none.every((edit) => !JSON.stringify(edit.body).includes('sound'))).toBe(true)
  expect(setDefaults(DEFAULTS, 'all', 'all').map((edit) => edit.id)).toEqual(['.m.rule.message', '.m.rule.encrypted'])
})

test('the master rule is on where nothing is told', () => {
  expect(setOn(false)).toEqual([{ kind: 'override', id: '.m.rule.master', sub: 'enabled', body: { enabled: true } }])
  expect(readRules({ override: [{ ...predefined('.m.rule.master', []), enabled: true }] }).isOn).toBe(false)
})

test('rooms: a room rule for mentions only, an override for nothing', () => {
  const rules: Rules = { ...DEFAULTS, override: [silent('!off:x')], room: [{ rule_id: '!quiet:x', enabled: true, actions: [] }, { rule_id: '!loud:x', enabled: true, actions: ['notify'] }] }
  expect(readRules(rules).rooms).toEqual({ '!off:x': 'off', '!quiet:x': 'mentions', '!loud:x': 'all' })
  expect(mutedRooms(rules).toSorted()).toEqual(['!off:x', '!quiet:x'])
})

test('what stood there before goes', () => {
  const rules: Rules = { override: [silent('!a:x')], room: [{ rule_id: '!b:x', enabled: true, actions: [] }] }
  expect(setRoom(rules, '!a:x', undefined, 'direct')).toEqual([{ kind: 'override', id: 'x' }])
  expect(setRoom(rules, '!b:x', undefined, 'direct')).toEqual([{ kind: 'room', id: '!b:x' }])
  expect(setRoom(rules, '!b:x', 'off', 'direct').map(({ kind, body }) => [kind, body !== undefined])).toEqual([
    ['override', true],
    ['room', false],
  ])
  expect(setRoom(rules, '!a:x', 'all', 'none')).toEqual([
    { kind: 'override', id: 'x' },
    { kind: 'room', id: '!a:x', body: { actions: ['notify'] } },
  ])
})

test('a keyword has an id that the server takes', () => {
  const [edit] = addKeyword('../불 \\', 'direct')
  expect(edit?.id).not.toMatch(/[/\\]|^\./)
  expect(edit?.body?.['pattern']).toBe('../불 \\')
  const rules: Rules = { content: [{ rule_id: edit!.id, enabled: true, actions: ['notify'], pattern: '불' }, { rule_id: '.own', default: true, enabled: true, actions: ['notify'] }] }
  expect(readRules(rules).keywords).toEqual([{ id: edit!.id, word: '불' }])
  expect(removeKeyword(edit!.id)).toEqual([{ kind: 'content', id: edit!.id }])
})
