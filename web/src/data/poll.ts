import type { Json } from '../net/matrix'
import type { Entry } from './types'

export interface Answer {
  id: string
  text: string
}

/** A poll as it was asked. isOpen: what was chosen so far is shown while it runs. max: how many one may choose. */
export interface Question {
  question: string
  isOpen: boolean
  max: number
  answers: Answer[]
}

/** What of an event's content is about polls. */
export interface Selected {
  poll?: Question
  selections?: string[]
}

/** A poll as it stands. */
export interface Poll extends Question {
  /** by the answer's id, who chose it; all answers are there */
  votes: Record<string, string[]>
  mine: string[]
  voters: number
  isEnded: boolean
}

export const POLL_START = 'm.poll.start'
export const ANSWERS_MIN = 2
export const ANSWERS_MAX = 20 // what is above is not read, so that everybody counts the same ones
const STARTS: readonly string[] = [POLL_START, 'org.matrix.msc3381.poll.start']
const RESPONSES: readonly string[] = ['m.poll.response', 'org.matrix.msc3381.poll.response']
const ENDS: readonly string[] = ['m.poll.end', 'org.matrix.msc3381.poll.end']

export const isPollStart = (type: string): boolean => STARTS.includes(type)
/** Does it say something about a poll, so that it is no message of its own? */
export const isAboutPoll = (type: string): boolean => RESPONSES.includes(type) || ENDS.includes(type)

// --- reading what others sent: the protocol's form, and the one from before it ---

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

/** The plain text among texts of several types. */
function textOf(raw: unknown): string {
  if (!isObject(raw)) return ''
  const texts = raw['m.text']
  if (Array.isArray(texts)) {
    const plain = texts.find((one) => isObject(one) && (one['mimetype'] ?? 'text/plain') === 'text/plain') as Json | undefined
    if (typeof plain?.['body'] === 'string') return plain['body']
  }
  const old = raw['org.matrix.msc1767.text'] ?? raw['body']
  return typeof old === 'string' ? old : ''
}

function answerOf(raw: unknown): Answer[] {
  const id = isObject(raw) ? (raw['m.id'] ?? raw['id']) : undefined
  return typeof id === 'string' ? [{ id, text: textOf(raw) }] : []
}

function questionOf(raw: unknown): Question | undefined {
  if (!isObject(raw) || !Array.isArray(raw['answers'])) return undefined
  const all = raw['answers'].slice(0, ANSWERS_MAX).flatMap(answerOf)
  const answers = all.filter((one, at) => all.findIndex((other) => other.id === one.id) === at)
  if (answers.length === 0) return undefined
  const max = raw['max_selections']
  return {
    question: textOf(raw['question']),
    isOpen: typeof raw['kind'] === 'string' && raw['kind'].endsWith('.disclosed'),
    max: typeof max === 'number' && max >= 1 ? Math.floor(max) : 1,
    answers,
  }
}

export function pollIn(content: Json): Selected {
  const found: Selected = {}
  const poll = questionOf(content['m.poll'] ?? content['org.matrix.msc3381.poll.start'])
  if (poll) found.poll = poll
  const old = content['org.matrix.msc3381.poll.response']
  const selections = content['m.selections'] ?? (isObject(old) ? old['answers'] : undefined)
  if (Array.isArray(selections)) found.selections = selections.filter((one) => typeof one === 'string')
  return found
}

// --- counting ---

/** Who may end polls of others: whoever may take messages away. */
export type MayEnd = (user: string) => boolean

/** How a poll stands. said: responses and ends that name it, oldest first. */
export function tally(start: Entry, said: readonly Entry[], me: string, mayEnd: MayEnd): Poll | undefined {
  const { poll } = start.content
  if (!poll) return undefined
  const end = said.find((entry) => ENDS.includes(entry.type) && (entry.sender === start.sender || mayEnd(entry.sender)))
  const last = new Map<string, string[]>()
  for (const entry of said) {
    if (entry === end) break
    if (RESPONSES.includes(entry.type)) last.set(entry.sender, chosen(poll, entry.content.selections ?? []))
  }
  const votes = Object.fromEntries(poll.answers.map(({ id }) => [id, [...last].filter(([, ids]) => ids.includes(id)).map(([user]) => user)]))
  const voters = [...last.values()].filter((ids) => ids.length > 0).length
  return { ...poll, votes, mine: last.get(me) ?? [], voters, isEnded: end !== undefined }
}

/** What counts of a response: as many as one may choose, and nothing if one of these is no answer. */
function chosen(poll: Question, selections: readonly string[]): string[] {
  const first = [...new Set(selections)].slice(0, poll.max)
  return first.every((id) => poll.answers.some((answer) => answer.id === id)) ? first : []
}

/** Is it shown how many chose what? */
export const showsVotes = (poll: Poll): boolean => poll.isEnded || poll.isOpen

/** The answers that most chose, at the end; none if nobody chose. */
export function winners(poll: Poll): string[] {
  const most = Math.max(...poll.answers.map(({ id }) => poll.votes[id]!.length))
  return poll.isEnded && most > 0 ? poll.answers.flatMap(({ id }) => (poll.votes[id]!.length === most ? [id] : [])) : []
}

/** What is chosen after a press on an answer: another one instead, or with several one more or less. */
export function pressed(poll: Poll, id: string): string[] {
  if (poll.mine.includes(id)) return poll.mine.filter((one) => one !== id)
  return poll.max === 1 ? [id] : poll.mine.length < poll.max ? [...poll.mine, id] : poll.mine
}

// --- writing ---

const text = (body: string): Json[] => [{ body }]

/** The content of a poll; what a client reads that knows none stands in m.text. */
export function pollContent({ question, isOpen, max, answers }: Question): Json {
  const lines = answers.map((answer, at) => `${at + 1}. ${answer.text}`)
  return {
    'm.text': text([question, ...lines].join('\n')),
    'm.poll': {
      kind: isOpen ? 'm.disclosed' : 'm.undisclosed',
      max_selections: max,
      question: { 'm.text': text(question) },
      answers: answers.map((answer) => ({ 'm.id': answer.id, 'm.text': text(answer.text) })),
    },
  }
}

const about = (poll: string): Json => ({ 'm.relates_to': { rel_type: 'm.reference', event_id: poll } })

export const voteContent = (poll: string, ids: readonly string[]): Json => ({ 'm.selections': ids, ...about(poll) })

/** results: the counts as their author saw them, for clients that do not count themselves. */
export const endContent = (event: string, poll: Poll, words: string): Json => ({
  'm.text': text(words),
  'm.poll.results': Object.fromEntries(poll.answers.map(({ id }) => [id, poll.votes[id]!.length])),
  ...about(event),
})

/** The poll of a form, or undefined while it asks nothing or has too few answers. */
export function drafted(question: string, texts: readonly string[], isOpen: boolean, isMany: boolean): Question | undefined {
  const given = [...new Set(texts.map((one) => one.trim()).filter(Boolean))].slice(0, ANSWERS_MAX)
  if (!question.trim() || given.length < ANSWERS_MIN) return undefined
  return { question: question.trim(), isOpen, max: isMany ? given.length : 1, answers: given.map((one, at) => ({ id: `a${at + 1}`, text: one })) }
}
