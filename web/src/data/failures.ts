import { Refused } from '../net/errors'

/** A failure in the form that texts are chosen by. */
export const codeOf = (error: unknown): string => {
  if (typeof error === 'string') return error
  return error instanceof Refused ? error.code : error instanceof Error ? error.name : ''
}
