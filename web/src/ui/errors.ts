import { Refused } from '../net/errors'
import { codeOf } from '../data/failures'
import { say } from './say'
import { t } from './settings'

/** What went wrong, and what to do. Refusals whose reason the server put well enough are told in its words. */
export function explain(error: unknown): string {
  const texts = t().errors as Record<string, string>
  const known = texts[codeOf(error)]
  if (known) return known
  return error instanceof Refused && error.message ? error.message : t().errors.other
}

/** Whatever was asked for: when it fails, that is said. */
export const orSay = (done: Promise<unknown>): void => void done.catch((error) => say(explain(error)))

export function explainSignIn(error: unknown, isNew: boolean): string {
  if (isNew && codeOf(error) === 'Unsure') return t().errors.unsureSignUp
  if (codeOf(error) !== 'M_FORBIDDEN') return explain(error)
  if (error instanceof Refused && /two-step/.test(error.message)) return t().errors.twoStep
  return isNew ? t().errors.registrationClosed : t().errors.signInForbidden
}
