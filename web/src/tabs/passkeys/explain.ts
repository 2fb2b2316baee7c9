import { codeOf } from '../../data/failures'
import { explain } from '../../ui/errors'
import { w } from './words'

/** What browsers and the server say when a passkey is not made or not taken, and what to do. */
export function explainPasskey(error: unknown): string {
  const code = codeOf(error)
  if (code === 'NotAllowedError' || code === 'AbortError') return w().stopped
  if (code === 'InvalidStateError') return w().there
  if (code === 'SecurityError' || code === 'NotSupportedError' || code === 'TypeError') return w().cannot
  if (code === 'M_FORBIDDEN' || code === 'M_INVALID_PARAM') return w().nobodys
  return explain(error)
}

/** Of what asks for the password first. */
export const explainProof = (error: unknown): string => (codeOf(error) === 'M_FORBIDDEN' ? w().passwordWrong : explainPasskey(error))
