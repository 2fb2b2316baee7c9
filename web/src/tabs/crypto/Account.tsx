import { createResource, createSignal, Match, onCleanup, Show, Switch, type JSX } from 'solid-js'
import type { Standing } from '../../data/crypto/types'
import { useClient } from '../../ui/client'
import { Confirm } from '../../ui/Dialog'
import { Icon } from '../../ui/Icon'
import { say } from '../../ui/say'
import { explainKeys, orSayKeys } from './explain'
import { Recover, SetUp, ShowKey } from './Recovery'
import { Sessions } from './Sessions'
import { w } from './words'

type Window = 'set up' | 'recover' | 'renew' | 'anew' | 'set up anew'

/** How the account's keys stand, and what to do about it. */
export function Account(): JSX.Element {
  const client = useClient()
  const [standing, { refetch }] = createResource(() => client.encryption.ask('standing'))
  const [open, setOpen] = createSignal<Window>()
  const [key, setKey] = createSignal<string>()
  onCleanup(client.on('encryption', () => void refetch()))
  const renew = () => {
    setOpen(undefined)
    void client.encryption.ask('newRecovery').then(setKey, (error) => say(explainKeys(error)))
  }
  const done = () => {
    setKey(undefined)
    void refetch()
  }
  return (
    <>
      <Switch fallback={<p class="empty">{w().loading}</p>}>
        <Match when={standing.error}>
          <p class="empty">{w().failed}</p>
        </Match>
        <Match when={standing.latest}>{(now) => <Card standing={now()} onOpen={setOpen} onMake={renew} />}</Match>
      </Switch>
      <p class="group hint">{w().about}</p>
      <Sessions />
      <Show when={open() === 'set up' || open() === 'set up anew'}>
        <SetUp anew={open() === 'set up anew'} onKey={(made) => (setOpen(undefined), setKey(made))} onClose={() => setOpen(undefined)} />
      </Show>
      <Show when={open() === 'recover'}>
        <Recover onClose={() => (setOpen(undefined), void refetch())} />
      </Show>
      <Show when={open() === 'renew'}>
        <Confirm title={w().renewRecovery} text={w().renewConfirm} action={w().renewRecovery} onClose={() => setOpen(undefined)} onYes={renew} />
      </Show>
      <Show when={open() === 'anew'}>
        <Confirm title={w().anewAction} text={w().anewConfirm} action={w().anewAction} onClose={() => open() === 'anew' && setOpen(undefined)} onYes={() => setOpen('set up anew')} />
      </Show>
      <Show when={key()}>{(made) => <ShowKey text={made()} onDone={done} />}</Show>
    </>
  )
}

function Card(props: { standing: Standing; onOpen: (window: Window) => void; onMake: () => void }): JSX.Element {
  const client = useClient()
  const isWhole = () => props.standing.hasRecovery && props.standing.backup === 'on'
  return (
    <section class="group card-of-keys" classList={{ good: props.standing.identity === 'here' && isWhole() }}>
      <Switch>
        <Match when={props.standing.identity === 'none'}>
          <Head title={w().noneTitle} text={w().none} />
          <p class="choices">
            <button type="button" class="strong" onClick={() => props.onOpen('set up')}>
              {w().setUp}
            </button>
          </p>
        </Match>
        <Match when={props.standing.identity === 'elsewhere'}>
          <Head title={w().elsewhereTitle} text={w().elsewhere} />
          <p class="choices">
            <button type="button" class="plain" onClick={() => orSayKeys(client.encryption.ask('verifyOwn'))}>
              {w().byEmoji}
            </button>
            <Show when={props.standing.hasRecovery}>
              <button type="button" class="strong" onClick={() => props.onOpen('recover')}>
                {w().byRecovery}
              </button>
            </Show>
          </p>
          <p>
            <button type="button" class="lost" onClick={() => props.onOpen('anew')}>
              {w().anew}
            </button>
          </p>
        </Match>
        <Match when={!isWhole()}>
          <Head title={w().halfTitle} text={props.standing.backup === 'locked' ? w().lockedBackup : w().half} />
          <p class="choices">
            <Show when={props.standing.backup === 'locked' && props.standing.hasRecovery}>
              <button type="button" class="plain" onClick={() => props.onOpen('recover')}>
                {w().byRecovery}
              </button>
            </Show>
            <button type="button" class="strong" onClick={() => props.onMake()}>
              {w().makeRecovery}
            </button>
          </p>
        </Match>
        <Match when={isWhole()}>
          <Head title={w().readyTitle} text={w().ready(props.standing.backedUp, props.standing.keys)} />
          <p class="choices">
            <button type="button" class="plain" onClick={() => props.onOpen('renew')}>
              {w().renewRecovery}
            </button>
          </p>
        </Match>
      </Switch>
    </section>
  )
}

function Head(props: { title: string; text: string }): JSX.Element {
  return (
    <>
      <h2>
        <Icon name="lock" />
        {props.title}
      </h2>
      <p>{props.text}</p>
    </>
  )
}
