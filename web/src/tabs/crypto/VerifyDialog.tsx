import { For, Match, Show, Switch, type JSX } from 'solid-js'
import type { Flow } from '../../data/crypto/types'
import { localpart, memberName } from '../../data/rooms'
import { useClient } from '../../ui/client'
import { Dialog } from '../../ui/Dialog'
import { orSayKeys } from './explain'
import { w } from './words'
import './crypto.css'

const MISMATCH = 'm.mismatched_sas'

/** Two people, or two sessions of one, compare seven pictures. */
export function VerifyDialog(props: { flow: Flow }): JSX.Element {
  const client = useClient()
  const name = () => client.rooms().map((room) => memberName(room, props.flow.user)).find((found) => found !== localpart(props.flow.user)) ?? localpart(props.flow.user)
  const ask = (what: 'agree' | 'compare' | 'confirm' | 'mismatch' | 'cancel' | 'dismiss') => () => orSayKeys(client.encryption.ask(what, props.flow.id))
  const isOver = () => props.flow.stage === 'done' || props.flow.stage === 'cancelled'
  const leave = () => ask(isOver() ? 'dismiss' : 'cancel')()
  const isStage = (stage: Flow['stage']) => props.flow.stage === stage
  return (
    <Dialog kind="small" title={w().flowTitle} onClose={leave}>
      <div class="padded verify" aria-live="polite">
        <Switch>
          <Match when={isStage('asked')}>
            <p>{props.flow.isOwn ? w().askedOwn : w().asked(name())}</p>
            <p class="choices">
              <button type="button" class="plain" onClick={ask('cancel')}>
                {w().decline}
              </button>
              <button type="button" class="strong" onClick={ask('agree')}>
                {w().agree}
              </button>
            </p>
          </Match>
          <Match when={isStage('asking')}>
            <p>{props.flow.isOwn ? w().askingOwn : w().asking(name())}</p>
          </Match>
          <Match when={isStage('ready')}>
            <p>{w().waitingEmoji}</p>
            <p class="choices">
              <button type="button" class="plain" onClick={ask('compare')}>
                {w().compareNow}
              </button>
            </p>
          </Match>
          <Match when={isStage('compare')}>
            <Compare flow={props.flow} onSame={ask('confirm')} onDifferent={ask('mismatch')} />
          </Match>
          <Match when={isStage('confirmed')}>
            <p>{w().confirmed}</p>
          </Match>
          <Match when={isStage('done')}>
            <p>{!props.flow.isOwn ? w().done(name()) : w().doneOwn}</p>
          </Match>
          <Match when={isStage('cancelled')}>
            <p class="wrong">{props.flow.why === MISMATCH ? w().endedDifferent : w().ended}</p>
          </Match>
        </Switch>
        <Show when={isOver()}>
          <p class="choices">
            <button type="button" class="strong" onClick={ask('dismiss')}>
              {w().close}
            </button>
          </p>
        </Show>
      </div>
    </Dialog>
  )
}

function Compare(props: { flow: Flow; onSame: () => void; onDifferent: () => void }): JSX.Element {
  return (
    <>
      <p>{w().compare}</p>
      <ol class="emoji">
        <For each={props.flow.emoji ?? []}>
          {(one) => (
            <li>
              <span aria-hidden="true">{one.symbol}</span>
              {w().emoji[one.place]}
            </li>
          )}
        </For>
      </ol>
      <p class="choices">
        <button type="button" class="plain" onClick={() => props.onDifferent()}>
          {w().different}
        </button>
        <button type="button" class="strong" onClick={() => props.onSame()}>
          {w().same}
        </button>
      </p>
    </>
  )
}
