import { For, Show, type JSX } from 'solid-js'
import { isOpen, mayBeDone, type Intent } from '../../data/intents'
import { useClient } from '../../ui/client'
import { explain } from '../../ui/errors'
import { say } from '../../ui/say'
import { clock, t } from '../../ui/settings'
import type { Sight } from './sight'
import { sw } from './words'
import './services.css'

/** Why something was refused, and what to do. own: what a page calls it in its own words. */
export function whyOf(intent: Pick<Intent, 'error'>, own: Record<string, string> = {}): string {
  const { code = 'other', message = '' } = intent.error ?? {}
  const known = own[code] ?? sw().errors[code]
  if (code === 'M_INVALID_PARAM' && message) return `${known} (${message})`
  return known ?? (message || explain(code))
}

/** What was wanted and is not done: that it waits, or why it was refused. Nothing here is shown as if it were done. */
export function Pending(props: { intents: readonly Intent[]; nameOf: (intent: Intent) => string; errors?: Record<string, string> }): JSX.Element {
  return (
    <ul class="pending" aria-live="polite">
      <For each={props.intents}>{(intent) => <One intent={intent} name={props.nameOf(intent)} errors={props.errors} />}</For>
    </ul>
  )
}

function One(props: { intent: Intent; name: string; errors: Record<string, string> | undefined }): JSX.Element {
  const client = useClient()
  const line = () => {
    const { intent } = props
    if (intent.state === 'failed') return `${sw().refused}: ${whyOf(intent, props.errors)}`
    return intent.cannot ? sw().cannot : intent.tries > 1 ? sw().queued : sw().sending
  }
  const drop = () => {
    if (mayBeDone(props.intent)) say(sw().stopped)
    void client.intents.remove(props.intent.key)
  }
  return (
    <li class="card-line" classList={{ refused: props.intent.state === 'failed' }} data-state={props.intent.state}>
      <span>
        <strong>{props.name}</strong> {line()}
      </span>
      <span class="acts">
        <Show when={isOpen(props.intent) && props.intent.tries > 1}>
          <button type="button" class="plain" onClick={drop}>
            {sw().stop}
          </button>
        </Show>
        <Show when={props.intent.state === 'failed'}>
          <button type="button" class="plain" onClick={() => void client.intents.retry(props.intent.key)}>
            {sw().again}
          </button>
          <button type="button" class="plain" onClick={drop}>
            {sw().dismiss}
          </button>
        </Show>
      </span>
    </li>
  )
}

/** How old what is shown is; loud when nobody answers. */
export function Fresh(props: { of: Pick<Sight<unknown>, 'okAt' | 'error'> }): JSX.Element {
  const isOld = () => props.of.error() !== undefined
  const text = () => {
    const at = props.of.okAt()
    return at === 0 ? (isOld() ? sw().never : t().loading) : isOld() ? sw().stale(clock(at)) : sw().asOf(clock(at))
  }
  return (
    <p class="fresh" classList={{ stale: isOld() }} role="status">
      {text()}
    </p>
  )
}

/** One of several views of a page. */
export function Views<T extends string>(props: { label: string; views: readonly { name: T; text: string; count?: number }[]; now: T; onPick: (view: T) => void }): JSX.Element {
  return (
    <nav class="views" aria-label={props.label}>
      <For each={props.views}>
        {(view) => (
          <button type="button" aria-current={view.name === props.now ? 'page' : undefined} onClick={() => props.onPick(view.name)}>
            {view.text}
            <Show when={view.count !== undefined}>
              <span class="tally">{view.count}</span>
            </Show>
          </button>
        )}
      </For>
    </nav>
  )
}

export function Field(props: { label: string; hint?: string; children: JSX.Element }): JSX.Element {
  return (
    <label class="field">
      <span>{props.label}</span>
      {props.children}
      <Show when={props.hint}>
        <small class="hint">{props.hint}</small>
      </Show>
    </label>
  )
}

/** The values of a form by their names. */
export const read = (form: HTMLFormElement): Record<string, string> =>
  Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, typeof value === 'string' ? value.trim() : '']))

/** One of a page's figures, in a <dl>. */
export function Figure(props: { label: string; value: string; isHot?: boolean }): JSX.Element {
  return (
    <div classList={{ hot: props.isHot === true }}>
      <dt>{props.label}</dt>
      <dd class="tick">{props.value}</dd>
    </div>
  )
}

/** Since how many hours ago figures count; 0: all. */
export function Periods(props: { label: string; names: Record<number, string>; hours: readonly number[]; chosen: number; onChoose: (hours: number) => void }): JSX.Element {
  return (
    <div class="switches" role="group" aria-label={props.label}>
      <For each={props.hours}>
        {(period) => (
          <button type="button" aria-pressed={props.chosen === period} onClick={() => props.onChoose(period)}>
            {props.names[period]}
          </button>
        )}
      </For>
    </div>
  )
}
