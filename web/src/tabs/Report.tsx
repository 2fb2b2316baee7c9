import { createSignal, Show, type JSX } from 'solid-js'
import { useClient } from '../ui/client'
import { Dialog } from '../ui/Dialog'
import { explain } from '../ui/errors'
import type { Reported } from '../ui/reporting'
import { say } from '../ui/say'
import { t } from '../ui/settings'
import './settings/settings.css'
import { w } from './settings/words'

const REASON_MAX = 500

/** Tells the operator. Loaded when somebody asks for it. */
export default function Report(props: { what: Reported; onClose: () => void }): JSX.Element {
  return (
    <Dialog kind="small" title={w().reportTitle} onClose={props.onClose}>
      <div class="padded">
        <ReportForm what={props.what} onDone={props.onClose} cancel={props.onClose} />
      </div>
    </Dialog>
  )
}

export function ReportForm(props: { what: Reported; disabled?: boolean; onDone: () => void; cancel: (() => void) | undefined }): JSX.Element {
  const client = useClient()
  const [reason, setReason] = createSignal('')
  const [ignores, setIgnores] = createSignal(false)
  const whom = () => ('user' in props.what ? props.what.user : props.what.sender)
  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    try {
      await client.matrix.report(props.what, reason().trim())
      const user = whom()
      if (ignores() && user && user !== client.me) await client.self.setIgnored(user, true)
      say(w().reported)
      setReason('')
      props.onDone()
    } catch (error) {
      say(explain(error))
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      <label class="field">
        <span>{w().reason}</span>
        <textarea rows="3" required maxlength={REASON_MAX} value={reason()} onInput={(event) => setReason(event.currentTarget.value)} />
      </label>
      <Show when={whom()}>
        <label class="tick">
          <input type="checkbox" checked={ignores()} onChange={(event) => setIgnores(event.currentTarget.checked)} />
          {w().alsoIgnore}
        </label>
      </Show>
      <p class="choices">
        <Show when={props.cancel}>
          {(cancel) => (
            <button type="button" class="plain" onClick={() => cancel()()}>
              {t().cancel}
            </button>
          )}
        </Show>
        <button class="strong danger" disabled={props.disabled || !reason().trim()}>
          {w().report}
        </button>
      </p>
    </form>
  )
}
