import { Refused } from '../net/errors'

/** Has this browser no room any more? */
export const isFull = (error: unknown): boolean => error instanceof DOMException && error.name === 'QuotaExceededError'

/** A failure in the form that texts are chosen by. */
export const codeOf = (error: unknown): string => {
  if (typeof error === 'string') return error
  return error instanceof Refused ? error.code : error instanceof Error ? error.name : ''
}
