import { say } from './say'
import { t } from './settings'

/** Copies a text. Without https a browser lets no page do that; then it is shown, to be copied by hand. */
export function copy(text: string): void {
  if (!navigator.clipboard) return say(text)
  void navigator.clipboard.writeText(text).then(
    () => say(t().copied),
    () => say(text),
  )
}
