import { Refused } from '../net/errors'
import type { Json, Matrix } from '../net/matrix'
import { requestOf, type Answer, type Body, type Operation, type Params, type Query } from '../net/services'
import type { IntentDraft } from './intents'

type Get = Extract<Operation, `GET ${string}`>
type Write = Exclude<Operation, Get>
type Listed<Of extends Get, Key extends string> = Answer<Of> extends Record<Key, (infer Row)[]> ? Row : never

export const ask = <Of extends Get>(matrix: Matrix, of: Of, params: Params<Of>, query?: Query<Of>): Promise<Answer<Of>> => {
  const { method, path } = requestOf(of, params, query)
  return matrix.service(method, path)
}

export const fileOf = <Of extends Get>(matrix: Matrix, of: Of, params: Params<Of>, query?: Query<Of>): Promise<Blob> =>
  matrix.serviceFile(requestOf(of, params, query).path)

const PAGES_MAX = 10

/** All pages of a list, as far as a screen can show them, and what came with the last one. */
export async function askAll<Of extends Get, Key extends string>(
  matrix: Matrix,
  of: Of,
  key: Key,
  params: Params<Of>,
  query: Query<Of>,
): Promise<{ rows: Listed<Of, Key>[]; last: Answer<Of>; isWhole: boolean }> {
  const rows: Listed<Of, Key>[] = []
  let from: string | undefined
  for (let page = 1; ; page++) {
    const last = await ask(matrix, of, params, { ...query, ...(from && { from }) } as Query<Of>)
    rows.push(...((last as Record<Key, Listed<Of, Key>[]>)[key] ?? []))
    from = (last as { next_batch?: string | null }).next_batch ?? undefined
    if (!from || page === PAGES_MAX) return { rows, last, isWhole: !from }
  }
}

/** What client.intend() is to be given. */
export function intent<Of extends Write>(of: Of, params: Params<Of>, body: Body<Of>, lane: string): IntentDraft {
  return { ...requestOf(of, params), what: of, lane, ...(body !== undefined && { body: body as Json }) }
}

export const isRefused = (error: unknown, ...statuses: number[]): error is Refused => error instanceof Refused && statuses.includes(error.status)
