import { createSignal, Show, type JSX } from 'solid-js'
import { codeOf } from '../../data/failures'
import { useClient } from '../../ui/client'
import { explain } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import { say } from '../../ui/say'
import { Passkeys } from '../passkeys/Passkeys'
import { Field, Group } from './parts'
import { Sessions } from './Sessions'
import { w } from './words'

const PASSWORD_LENGTH_MIN = 8

export function AccountSettings(): JSX.Element {
  return (
    <>
      <Sessions />
      <Passkeys />
      <Group title={w().twoStep} hint={w().twoStepHint}>
        <p class="links">
          <ServerPage path="/account/two-step" text={w().twoStepOpen} />
          <ServerPage path="/account" text={w().accountOpen} />
        </p>
      </Group>
      <Password />
      <End />
    </>
  )
}

/** A page of the server itself, where a browser proves who it is. */
function ServerPage(props: { path: string; text: string }): JSX.Element {
  return (
    <a class="plain" href={props.path} target="_blank" rel="noreferrer">
      <Icon name="link" />
      {props.text}
    </a>
  )
}

/** What a refused password is, where it is the person's own that is asked for. */
const whyRefused = (error: unknown): string => (codeOf(error) === 'M_FORBIDDEN' ? w().passwordWrong : explain(error))

function Password(): JSX.Element {
  const client = useClient()
  const [wrong, setWrong] = createSignal<{ now?: string; again?: string; next?: string }>({})
  const [isBusy, setBusy] = createSignal(false)
  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const field = (name: string) => String(new FormData(form).get(name) ?? '')
    if (field('next') !== field('again')) return void setWrong({ again: w().passwordDiffers })
    setBusy(true)
    try {
      await client.matrix.changePassword(client.me, field('now'), field('next'))
      form.reset()
      setWrong({})
      say(w().passwordChanged)
    } catch (error) {
      setWrong(codeOf(error) === 'M_WEAK_PASSWORD' ? { next: explain(error) } : { now: whyRefused(error) })
    } finally {
      setBusy(false)
    }
  }
  return (
    <Group title={w().passwordTitle} hint={w().passwordHint}>
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <input class="unseen" type="text" name="user" autocomplete="username" value={client.me} tabindex="-1" aria-hidden="true" readonly />
        <Field label={w().passwordNow} name="now" type="password" autocomplete="current-password" wrong={wrong().now} />
        <Field label={w().passwordNext} name="next" type="password" autocomplete="new-password" minlength={PASSWORD_LENGTH_MIN} wrong={wrong().next} />
        <Field label={w().passwordAgain} name="again" type="password" autocomplete="new-password" wrong={wrong().again} />
        <p class="choices">
          <button class="strong" disabled={isBusy()}>
            {w().passwordTitle}
          </button>
        </p>
      </form>
    </Group>
  )
}

/** Two deliberate acts, and the password: nobody does this by mistake. */
function End(): JSX.Element {
  const client = useClient()
  const [isOpen, setOpen] = createSignal(false)
  const [isSure, setSure] = createSignal(false)
  const [wrong, setWrong] = createSignal<string>()
  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    try {
      await client.doors.deactivate(String(form.get('password') ?? ''), form.has('erase'))
    } catch (error) {
      setWrong(whyRefused(error))
    }
  }
  return (
    <Group title={w().endTitle} hint={w().endLead}>
      <p class="hint">{w().endFirst}</p>
      <Show
        when={isOpen()}
        fallback={
          <button type="button" class="plain danger" onClick={() => setOpen(true)}>
            {w().endTitle}…
          </button>
        }
      >
        <form class="stack" onSubmit={(event) => void submit(event)}>
          <label class="tick">
            <input type="checkbox" name="erase" />
            {w().endErase}
          </label>
          <label class="tick">
            <input type="checkbox" checked={isSure()} onChange={(event) => setSure(event.currentTarget.checked)} />
            {w().endSure}
          </label>
          <Field label={w().passwordNow} name="password" type="password" autocomplete="current-password" wrong={wrong()} />
          <p class="choices">
            <button class="strong danger" disabled={!isSure()}>
              {w().endAction}
            </button>
          </p>
        </form>
      </Show>
    </Group>
  )
}
