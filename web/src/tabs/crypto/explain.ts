import { codeOf } from '../../data/failures'
import { explain } from '../../ui/errors'
import { say } from '../../ui/say'
import { w } from './words'

/** What went wrong with keys, and what to do. */
export const explainKeys = (error: unknown): string => (w().errors as Record<string, string>)[codeOf(error)] ?? explain(error)

export const orSayKeys = (done: Promise<unknown>): void => void done.catch((error) => say(explainKeys(error)))
