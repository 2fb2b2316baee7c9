import { createSignal, Show, type JSX } from 'solid-js'
import { codeOf } from '../../data/failures'
import { useClient } from '../../ui/client'
import { copy } from '../../ui/copy'
import { Dialog } from '../../ui/Dialog'
import { say } from '../../ui/say'
import { explainKeys } from './explain'
import { w } from './words'

function Wrong(props: { text: string }): JSX.Element {
  return (
    <div role="alert">
      <Show when={props.text}>
        <p class="wrong">{props.text}</p>
      </Show>
    </div>
  )
}

/** Makes the account's keys. The password is asked for only when the server wants it. */
export function SetUp(props: { anew: boolean; onKey: (key: string) => void; onClose: () => void }): JSX.Element {
  const client = useClient()
  const [needsPassword, setNeedsPassword] = createSignal(props.anew)
  const [wrong, setWrong] = createSignal('')
  const [isBusy, setBusy] = createSignal(false)
  async function go(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const password = String(new FormData(event.currentTarget as HTMLFormElement).get('password') ?? '')
    setBusy(true)
    setWrong('')
    try {
      props.onKey(await client.encryption.ask('setUp', password, props.anew))
    } catch (error) {
      if (codeOf(error) === 'BONGSU_PASSWORD_WANTED') setNeedsPassword(true)
      else setWrong(explainKeys(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog kind="small" title={props.anew ? w().anewAction : w().setUp} onClose={props.onClose}>
      <form class="padded" onSubmit={(event) => void go(event)}>
        <p>{w().none}</p>
        <Show when={needsPassword()}>
          <label class="field">
            <span>{w().password}</span>
            <input name="password" type="password" required autocomplete="current-password" />
            <p class="hint">{w().passwordHint}</p>
          </label>
        </Show>
        <Wrong text={wrong()} />
        <p class="choices">
          <button class="strong wide" disabled={isBusy()}>
            {isBusy() ? w().working : w().continue}
          </button>
        </p>
      </form>
    </Dialog>
  )
}

/** Shown once: it can be closed by saying that it was kept, and in no other way by accident. */
export function ShowKey(props: { text: string; onDone: () => void }): JSX.Element {
  const [isKept, setKept] = createSignal(false)
  const save = () => {
    const address = URL.createObjectURL(new Blob([`${props.text}\n`], { type: 'text/plain' }))
    const link = document.createElement('a')
    link.href = address
    link.download = w().keyFile
    link.click()
    setTimeout(() => URL.revokeObjectURL(address), 60_000)
  }
  return (
    <Dialog kind="small" title={w().keyTitle} onClose={props.onDone} isFirm={!isKept()}>
      <div class="padded">
        <p>{w().keyAbout}</p>
        <output class="recovery-key" aria-label={w().keyLabel}>
          {props.text}
        </output>
        <p class="choices">
          <button type="button" class="plain" onClick={() => copy(props.text)}>
            {w().keyCopy}
          </button>
          <button type="button" class="plain" onClick={save}>
            {w().keySave}
          </button>
        </p>
        <label class="tick">
          <input type="checkbox" checked={isKept()} onChange={(event) => setKept(event.currentTarget.checked)} />
          {w().keyKept}
        </label>
        <p class="choices">
          <button type="button" class="strong wide" disabled={!isKept()} onClick={() => props.onDone()}>
            {w().keyDone}
          </button>
        </p>
      </div>
    </Dialog>
  )
}

export function Recover(props: { onClose: () => void }): JSX.Element {
  const client = useClient()
  const [wrong, setWrong] = createSignal('')
  const [isBusy, setBusy] = createSignal(false)
  let area!: HTMLTextAreaElement
  async function go(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    setBusy(true)
    setWrong('')
    try {
      const { imported } = await client.encryption.ask('recover', area.value)
      say(w().recovered(imported))
      props.onClose()
    } catch (error) {
      setWrong(explainKeys(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog kind="small" title={w().byRecovery} onClose={props.onClose}>
      <form class="padded" onSubmit={(event) => void go(event)}>
        <label class="field">
          <span>{w().keyLabel}</span>
          <textarea ref={area} name="key" rows="3" required autocomplete="off" autocapitalize="none" spellcheck={false} class="recovery-key" />
          <p class="hint">{w().keyHint}</p>
        </label>
        <Wrong text={wrong()} />
        <p class="choices">
          <button class="strong wide" disabled={isBusy()}>
            {isBusy() ? w().working : w().recover}
          </button>
        </p>
      </form>
    </Dialog>
  )
}
