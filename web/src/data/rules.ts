import type { Json } from '../net/matrix'

/** A push rule, as far as this client reads it. */
export interface Rule {
  rule_id: string
  enabled: boolean
  default?: boolean
  actions: readonly unknown[]
  pattern?: string
  conditions?: readonly { kind: string; key?: string; pattern?: string }[]
}

export type Kind = 'override' | 'content' | 'room' | 'sender' | 'underride'
export type Rules = Partial<Record<Kind, readonly Rule[]>>

/** Of a room: mentions: only when one is named; off: not even then. */
export type RoomChoice = 'all' | 'mentions' | 'off'
/** Which messages come with a sound: all, those of rooms for two and mentions, or none. */
export type Sound = 'all' | 'direct' | 'none'

export interface Choices {
  isOn: boolean
  groups: 'all' | 'mentions'
  sound: Sound
  keywords: { id: string; word: string }[]
  rooms: Record<string, RoomChoice>
}

/** One request to the server. body undefined: the rule is taken away. */
export interface Edit {
  kind: Kind
  id: string
  sub?: 'enabled' | 'actions'
  body?: Json
}

const MASTER = '.m.rule.master'
const DIRECT = ['.m.rule.room_one_to_one', '.m.rule.encrypted_room_one_to_one']
const GROUPS = ['.m.rule.message', '.m.rule.encrypted']
const MENTION = '.m.rule.is_user_mention'
const INVITE = '.m.rule.invite_for_me'
const NOISE = { set_tweak: 'sound', value: 'default' }
const HIGHLIGHT = { set_tweak: 'highlight' }

const notifies = (rule: Rule | undefined): boolean => rule?.actions.includes('notify') ?? false
const sounds = (rule: Rule | undefined): boolean => rule?.actions.some((action) => (action as Json)?.['set_tweak'] === 'sound') ?? false
const find = (rules: Rules, kind: Kind, id: string): Rule | undefined => rules[kind]?.find((rule) => rule.rule_id === id)

/** The room that an override rule silences altogether. */
function silencedBy({ enabled, actions, conditions = [] }: Rule): string | undefined {
  const [only] = conditions
  if (!enabled || actions.includes('notify') || conditions.length !== 1) return undefined
  return only?.kind === 'event_match' && only.key === 'room_id' ? only.pattern : undefined
}

const silenced = (rules: Rules): string[] => (rules.override ?? []).flatMap((rule) => silencedBy(rule) ?? [])

/** Rooms of which one is not told, at most of mentions. */
export function mutedRooms(rules: Rules): string[] {
  const quiet = (rules.room ?? []).filter((rule) => rule.enabled && !notifies(rule))
  return [...new Set([...quiet.map((rule) => rule.rule_id), ...silenced(rules)])]
}

export function readRules(rules: Rules): Choices {
  const rooms: Record<string, RoomChoice> = {}
  for (const rule of rules.room ?? []) if (rule.enabled) rooms[rule.rule_id] = notifies(rule) ? 'all' : 'mentions'
  for (const room of silenced(rules)) rooms[room] = 'off'
  const words = (rules.content ?? []).filter((rule) => !rule.default && rule.enabled && notifies(rule))
  const sound = sounds(find(rules, 'underride', GROUPS[0]!)) ? 'all' : sounds(find(rules, 'underride', DIRECT[0]!)) ? 'direct' : 'none'
  return {
    isOn: !find(rules, 'override', MASTER)?.enabled,
    groups: notifies(find(rules, 'underride', GROUPS[0]!)) ? 'all' : 'mentions',
    sound,
    keywords: words.map((rule) => ({ id: rule.rule_id, word: rule.pattern ?? rule.rule_id })),
    rooms,
  }
}

const actions = (hasSound: boolean, isHigh = false): unknown[] => ['notify', ...(hasSound ? [NOISE] : []), ...(isHigh ? [HIGHLIGHT] : [])]

export const setOn = (is: boolean): Edit[] => [{ kind: 'override', id: MASTER, sub: 'enabled', body: { enabled: !is } }]

/** What the predefined rules do, so that groups and sounds are as chosen; what is so already is left alone. */
export function setDefaults(rules: Rules, groups: Choices['groups'], sound: Sound): Edit[] {
  const some = sound !== 'none'
  const wanted: [Kind, string, unknown[]][] = [
    ...DIRECT.map((id): [Kind, string, unknown[]] => ['underride', id, actions(some)]),
    ...GROUPS.map((id): [Kind, string, unknown[]] => ['underride', id, groups === 'all' ? actions(sound === 'all') : []]),
    ['override', MENTION, actions(some, true)],
    ['override', INVITE, actions(some)],
  ]
  return wanted.filter(([kind, id, after]) => JSON.stringify(find(rules, kind, id)?.actions) !== JSON.stringify(after)).map(([kind, id, after]) => ({ kind, id, sub: 'actions', body: { actions: after } }))
}

/** Slashes are not allowed in a rule's id, nor a dot at its beginning. */
export const addKeyword = (word: string, sound: Sound): Edit[] => [{ kind: 'content', id: `word:${encodeURIComponent(word)}`, body: { pattern: word, actions: actions(sound !== 'none', true) } }]

export const removeKeyword = (id: string): Edit[] => [{ kind: 'content', id }]

/** undefined: as all rooms. What stood there before goes, unless it is replaced. */
export function setRoom(rules: Rules, room: string, choice: RoomChoice | undefined, sound: Sound): Edit[] {
  const edits: Edit[] = []
  const before = (rules.override ?? []).filter((rule) => silencedBy(rule) === room)
  if (choice === 'off') {
    edits.push({ kind: 'override', id: room, body: { actions: [], conditions: [{ kind: 'event_match', key: 'room_id', pattern: room }] } })
  } else {
    edits.push(...before.map((rule): Edit => ({ kind: 'override', id: rule.rule_id })))
  }
  if (choice === 'all' || choice === 'mentions') edits.push({ kind: 'room', id: room, body: { actions: choice === 'all' ? actions(sound !== 'none') : [] } })
  else if (find(rules, 'room', room)) edits.push({ kind: 'room', id: room })
  return edits
}
