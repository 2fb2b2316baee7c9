import { createResource, createSignal, For, Match, Show, Switch, type JSX } from 'solid-js'
import { canHavePasskeys, listed, make, remove, rename, type Passkey } from '../../data/passkeys'
import { useClient } from '../../ui/client'
import { Dialog } from '../../ui/Dialog'
import { Icon } from '../../ui/Icon'
import { deviceName } from '../../ui/phrases'
import { say } from '../../ui/say'
import { language } from '../../ui/settings'
import { Field, Group } from '../settings/parts'
import { explainPasskey, explainProof } from './explain'
import './passkeys.css'
import { w } from './words'

type Window = 'add' | { rename: Passkey } | { remove: Passkey }

const day = (ts: number): string => new Intl.DateTimeFormat(language(), { dateStyle: 'medium' }).format(ts)

/** One's passkeys: made, named and removed. */
export function Passkeys(): JSX.Element {
  const client = useClient()
  const [passkeys, { refetch }] = createResource(() => listed(client.matrix))
  const [open, setOpen] = createSignal<Window>()
  const done = () => {
    setOpen(undefined)
    void refetch()
  }
  const close = () => setOpen(undefined)
  return (
    <Group title={w().title} hint={w().hint}>
      <Switch>
        <Match when={passkeys.error}>
          <p role="alert">
            {w().failed}{' '}
            <button type="button" class="plain" onClick={() => void refetch()}>
              {w().again}
            </button>
          </p>
        </Match>
        <Match when={passkeys.latest?.length === 0}>
          <p class="quiet">{w().none}</p>
        </Match>
        <Match when={passkeys.latest}>
          {(all) => (
            <ul class="passkeys">
              <For each={all()}>{(passkey) => <Row passkey={passkey} onOpen={setOpen} />}</For>
            </ul>
          )}
        </Match>
      </Switch>
      <Show when={canHavePasskeys(location.hostname)} fallback={<p class="hint">{w().cannot}</p>}>
        <button type="button" class="plain" onClick={() => setOpen('add')}>
          <Icon name="key" />
          {w().add}
        </button>
      </Show>
      <Show when={open()} keyed>
        {(window) => <Asking window={window} onDone={done} onClose={close} />}
      </Show>
    </Group>
  )
}

function Row(props: { passkey: Passkey; onOpen: (window: Window) => void }): JSX.Element {
  const used = () => (props.passkey.used_ts ? w().used(day(props.passkey.used_ts)) : w().unused)
  return (
    <li>
      <Icon name="key" />
      <span>
        {props.passkey.name}
        <span class="hint">
          {w().made(day(props.passkey.created_ts))} · {used()}
        </span>
      </span>
      <button type="button" class="plain" aria-label={w().renameThis(props.passkey.name)} onClick={() => props.onOpen({ rename: props.passkey })}>
        {w().rename}
      </button>
      <button type="button" class="plain danger" aria-label={w().removeThis(props.passkey.name)} onClick={() => props.onOpen({ remove: props.passkey })}>
        {w().remove}
      </button>
    </li>
  )
}

function Asking(props: { window: Window; onDone: () => void; onClose: () => void }): JSX.Element {
  const client = useClient()
  const [wrong, setWrong] = createSignal('')
  const [isBusy, setBusy] = createSignal(false)
  const { window } = props
  const asksName = window === 'add' || 'rename' in window
  const asksPassword = window === 'add' || 'remove' in window
  const title = window === 'add' ? w().add : 'rename' in window ? w().rename : w().removeThis(window.remove.name)
  const action = window === 'add' ? w().add : 'rename' in window ? w().save : w().remove

  async function act(name: string, password: string): Promise<string> {
    if (window === 'add') return make(client.matrix, client.me, password, name).then(() => w().added)
    if ('rename' in window) return rename(client.matrix, window.rename.passkey_id, name).then(() => '')
    return remove(client.matrix, window.remove.passkey_id, client.me, password).then(() => w().removed)
  }

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    setBusy(true)
    setWrong('')
    try {
      const told = await act(String(form.get('name') ?? '').trim(), String(form.get('password') ?? ''))
      if (told) say(told)
      props.onDone()
    } catch (error) {
      setWrong(asksPassword ? explainProof(error) : explainPasskey(error))
      setBusy(false)
    }
  }

  return (
    <Dialog kind="small" title={title} onClose={props.onClose}>
      <form class="padded passkey" onSubmit={(event) => void submit(event)}>
        <p class="hint">{window === 'add' ? w().addHint : 'remove' in window ? w().removeHint : w().nameHint}</p>
        <Show when={asksName}>
          <label class="field">
            <span>{w().name}</span>
            <input name="name" required maxlength="30" autocomplete="off" value={window === 'add' ? deviceName() : 'rename' in window ? window.rename.name : ''} />
          </label>
        </Show>
        <Show when={asksPassword}>
          <Field label={w().password} name="password" type="password" autocomplete="current-password" />
        </Show>
        <p class="wrong-text" role="alert">
          {wrong()}
        </p>
        <p class="hint" aria-live="polite">
          {isBusy() && window === 'add' ? w().working : ''}
        </p>
        <p class="choices">
          <button type="button" class="plain" onClick={() => props.onClose()}>
            {w().cancel}
          </button>
          <button class="strong" classList={{ danger: !asksName }} disabled={isBusy()}>
            {action}
          </button>
        </p>
      </form>
    </Dialog>
  )
}
