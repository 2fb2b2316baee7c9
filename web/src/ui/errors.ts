import { Refused } from '../net/errors'
import { codeOf } from '../data/client'
import { t } from './settings'

/** What went wrong, and what to do. Refusals whose reason the server put well enough are told in its words. */
export function explain(error: unknown): string {
  const texts = t().errors as Record<string, string>
  const known = texts[codeOf(error)]
  if (known) return known
  return error instanceof Refused && error.message ? error.message : t().errors.other
}

export function explainSignIn(error: unknown, isNew: boolean): string {
  if (codeOf(error) !== 'M_FORBIDDEN') return explain(error)
  return isNew ? t().errors.registrationClosed : t().errors.signInForbidden
}
