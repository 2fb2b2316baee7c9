import { For, Match, Show, Switch, type JSX } from 'solid-js'
import type { Code, Flow } from '../../data/crypto/types'
import { localpart, memberName } from '../../data/rooms'
import { useClient } from '../../ui/client'
import { Dialog } from '../../ui/Dialog'
import { orSayKeys } from './explain'
import { w } from './words'
import './crypto.css'

const MISMATCH = 'm.mismatched_sas'

const MARGIN = 4 // points that stay light around a code, or no camera finds it

/** Two people, or two sessions of one, compare seven pictures; or one scans what the other one shows. */
export function VerifyDialog(props: { flow: Flow }): JSX.Element {
  const client = useClient()
  const name = () => client.rooms().map((room) => memberName(room, props.flow.user)).find((found) => found !== localpart(props.flow.user)) ?? localpart(props.flow.user)
  const ask = (what: 'agree' | 'compare' | 'confirm' | 'scanned' | 'mismatch' | 'cancel' | 'dismiss') => () => orSayKeys(client.encryption.ask(what, props.flow.id))
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
          <Match when={props.flow.code}>
            {(code) => (
              <>
                <p>{props.flow.isOwn ? w().scanOwn : w().scan(name())}</p>
                <Drawn code={code()} />
                <p class="choices">
                  <button type="button" class="plain" onClick={ask('compare')}>
                    {w().emojiInstead}
                  </button>
                </p>
              </>
            )}
          </Match>
          <Match when={isStage('scanned')}>
            <p>{props.flow.isOwn ? w().scannedOwn : w().scanned(name())}</p>
            <p class="choices">
              <button type="button" class="plain" onClick={ask('mismatch')}>
                {w().notScanned}
              </button>
              <button type="button" class="strong" onClick={ask('scanned')}>
                {w().wasScanned}
              </button>
            </p>
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

/** Dark on light in dark mode, too: many cameras read no other. */
function Drawn(props: { code: Code }): JSX.Element {
  const rows = () => Array.from({ length: props.code.side }, (_, row) => props.code.dark.slice(row * props.code.side, (row + 1) * props.code.side))
  const path = () => rows().flatMap((line, row) => Array.from(line.matchAll(/1+/g), ({ index, 0: run }) => `M${index} ${row}h${run.length}v1h-${run.length}z`)).join('')
  const side = () => props.code.side + 2 * MARGIN
  return (
    <svg class="code" role="img" aria-label={w().code} viewBox={`${-MARGIN} ${-MARGIN} ${side()} ${side()}`} shape-rendering="crispEdges">
      <path d={path()} />
    </svg>
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
