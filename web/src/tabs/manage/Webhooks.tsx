import { createSignal, For, Show, type JSX } from 'solid-js'
import { conditionOf, EVENTS } from '../../data/manage'
import { ask } from '../../data/service'
import type { EndpointSaid, EndpointsSaid } from '../../net/interface'
import { Confirm, Dialog } from '../../ui/Dialog'
import { say } from '../../ui/say'
import { dayAndClock, t } from '../../ui/settings'
import { Field, Fresh, Pending, read } from '../services/Parts'
import { sight } from '../services/sight'
import { Rows, Secret, Ticks } from './parts'
import { isOwner, type SectionProps, type Shop } from './shop'
import { intentName, onceOf, whyNot, wishesIn, type Wishes } from './wishes'
import { w } from './words'
import { pw } from './words/programs'

const ONE = '/_bongsu/v1/channels/{channel_id}/webhooks/{endpoint_id}'
const WATCHED_MS = 30_000

type Asked = { what: 'edit' | 'rotate' | 'remove'; of: EndpointSaid } | { what: 'add' }

/** Where the channel's programs are told what happens. After a ping it is looked at more often. */
export default function Webhooks(props: SectionProps): JSX.Element {
  const { shop } = props
  const [asked, setAsked] = createSignal<Asked>()
  const [told, setTold] = createSignal<{ secret: string | undefined }>()
  let pingedAt = 0
  const hooks = sight<EndpointsSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/webhooks', { channel_id: shop.id }, { limit: '50' }),
    pace: () => (Date.now() - pingedAt < WATCHED_MS ? 1_500 : 20_000),
    name: `manage webhooks ${shop.id}`,
  })
  const wishes = wishesIn(shop, 'webhooks', (done) => {
    if (done.what.endsWith('/ping')) {
      pingedAt = Date.now()
      say(pw().pinged)
    }
    hooks.poke()
  })
  function keep(secret: string | undefined): void {
    setAsked(undefined)
    setTold({ secret })
    hooks.poke()
  }
  const close = () => setAsked(undefined)
  return (
    <>
      <p class="quiet">{pw().hooksHint}</p>
      <Show when={isOwner(shop)}>
        <p class="choices">
          <button type="button" class="strong" onClick={() => setAsked({ what: 'add' })}>
            {pw().newHook}
          </button>
        </p>
      </Show>
      <Fresh of={hooks} />
      <Pending intents={wishes.intents()} nameOf={intentName} errors={w().errors} />
      <ul class="cards">
        <Rows rows={hooks.value()?.endpoints} id={(one) => one.endpoint_id} fallback={<li class="empty">{hooks.value() ? pw().noHooks : t().loading}</li>}>
          {(one) => <Hook shop={shop} of={one()} wishes={wishes} onAsk={setAsked} />}
        </Rows>
      </ul>
      <Show when={asked()} keyed>
        {(asked) => (
          <>
            <Show when={asked.what === 'add' || asked.what === 'edit'}>
              <HookForm shop={shop} wishes={wishes} before={asked.what === 'edit' ? asked.of : undefined} onMade={keep} onClose={close} />
            </Show>
            <Show when={asked.what === 'rotate'}>{asked.what === 'rotate' && <Rotate shop={shop} of={asked.of} onMade={keep} onClose={close} />}</Show>
            <Show when={asked.what === 'remove'}>
              {asked.what === 'remove' && (
                <Confirm
                  title={w().remove}
                  text={pw().removeConfirm}
                  action={w().remove}
                  onClose={close}
                  onYes={() => (wishes.want(`DELETE ${ONE}`, { endpoint_id: asked.of.endpoint_id }, undefined, asked.of.endpoint_id), close())}
                />
              )}
            </Show>
          </>
        )}
      </Show>
      <Show when={told()}>{(one) => <Secret title={pw().hookTitle} secret={one().secret} lost={pw().hookLost} onClose={() => setTold(undefined)} />}</Show>
    </>
  )
}

function Hook(props: { shop: Shop; of: EndpointSaid; wishes: Wishes; onAsk: (asked: Asked) => void }): JSX.Element {
  const condition = () => conditionOf(props.of)
  const want = (what: 'ping' | 'enable') => props.wishes.want(`POST ${ONE}/${what}`, { endpoint_id: props.of.endpoint_id }, undefined, props.of.endpoint_id)
  return (
    <li class="block" data-condition={condition()}>
      <h3 class="address">{props.of.url}</h3>
      <p class="tags">
        <span class="tag" classList={{ good: condition() === 'well', warm: condition() === 'failing', hot: condition() === 'disabled' }}>
          {pw().conditions[condition()]}
        </span>
        <For each={props.of.types} fallback={<span class="tag">{pw().allEvents}</span>}>
          {(type) => <span class="tag">{pw().eventNames[type] ?? type}</span>}
        </For>
      </p>
      <dl class="facts">
        <dt>{pw().taken}</dt>
        <dd>{props.of.taken_ts ? dayAndClock(props.of.taken_ts) : pw().never}</dd>
        <Show when={props.of.failing_since}>
          {(at) => (
            <>
              <dt>{pw().failingSince}</dt>
              <dd>{dayAndClock(at())}</dd>
            </>
          )}
        </Show>
        <Show when={props.of.last_failure}>
          {(why) => (
            <>
              <dt>{pw().lastFailure}</dt>
              <dd>{why()}</dd>
            </>
          )}
        </Show>
        <dt>{pw().owed}</dt>
        <dd>{pw().owedOf(props.of.owed)}</dd>
      </dl>
      <Show when={props.of.old_secret_until}>{(until) => <p class="quiet small">{pw().oldUntil(dayAndClock(until()))}</p>}</Show>
      <Show when={condition() === 'disabled'}>
        <p class="wrong">
          {pw().disabledWhy}: {props.of.disabled_why}. {pw().disabledHint}
        </p>
      </Show>
      <Show when={isOwner(props.shop)}>
        <p class="choices">
          <Show
            when={condition() === 'disabled'}
            fallback={
              <button type="button" class="plain" onClick={() => want('ping')}>
                {pw().ping}
              </button>
            }
          >
            <button type="button" class="strong" onClick={() => want('enable')}>
              {pw().enable}
            </button>
          </Show>
          <button type="button" class="plain" onClick={() => props.onAsk({ what: 'edit', of: props.of })}>
            {w().edit}
          </button>
          <button type="button" class="plain" onClick={() => props.onAsk({ what: 'rotate', of: props.of })}>
            {pw().rotate}
          </button>
          <button type="button" class="plain" onClick={() => props.onAsk({ what: 'remove', of: props.of })}>
            {w().remove}
          </button>
        </p>
      </Show>
    </li>
  )
}

/** A new one tells its secret; a change tells none. */
function HookForm(props: { shop: Shop; wishes: Wishes; before: EndpointSaid | undefined; onMade: (secret: string | undefined) => void; onClose: () => void }): JSX.Element {
  const [types, setTypes] = createSignal<readonly string[]>(props.before?.types ?? [])
  const [wrong, setWrong] = createSignal('')
  const [isSending, setSending] = createSignal(false)
  const make = onceOf(props.shop, 'POST /_bongsu/v1/channels/{channel_id}/webhooks')
  async function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): Promise<void> {
    event.preventDefault()
    const body = { url: read(event.currentTarget)['url'] ?? '', types: [...types()] }
    if (props.before) {
      props.wishes.want(`PUT ${ONE}`, { endpoint_id: props.before.endpoint_id }, body, props.before.endpoint_id)
      return props.onClose()
    }
    setSending(true)
    setWrong('')
    try {
      props.onMade((await make({}, body)).secret ?? undefined)
    } catch (error) {
      setWrong(whyNot(error))
    }
    setSending(false)
  }
  return (
    <Dialog title={props.before ? w().edit : pw().newHook} onClose={props.onClose}>
      <form class="form" onSubmit={(event) => void send(event)}>
        <Field label={pw().url} hint={pw().urlHint}>
          <input name="url" type="url" inputmode="url" required maxlength="2048" placeholder="https://" autocomplete="off" value={props.before?.url ?? ''} />
        </Field>
        <Ticks label={pw().events} hint={pw().eventsHint} values={EVENTS.map((type) => [type, `${pw().eventNames[type]} (${type})`] as const)} chosen={types()} onChange={setTypes} />
        <Show when={wrong()}>
          <p class="wrong" role="alert">
            {wrong()}
          </p>
        </Show>
        <button class="strong wide" disabled={isSending()}>
          {props.before ? t().save : pw().newHook}
        </button>
      </form>
    </Dialog>
  )
}

function Rotate(props: { shop: Shop; of: EndpointSaid; onMade: (secret: string | undefined) => void; onClose: () => void }): JSX.Element {
  const [isLeaked, setLeaked] = createSignal(false)
  const [wrong, setWrong] = createSignal('')
  const rotate = onceOf(props.shop, `POST ${ONE}/rotate`)
  async function send(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    setWrong('')
    try {
      props.onMade((await rotate({ endpoint_id: props.of.endpoint_id }, isLeaked() ? { overlap_ms: 0 } : {})).secret ?? undefined)
    } catch (error) {
      setWrong(whyNot(error))
    }
  }
  return (
    <Dialog title={pw().rotate} onClose={props.onClose}>
      <form class="form" onSubmit={(event) => void send(event)}>
        <p>{pw().rotateHint}</p>
        <label class="check">
          <input type="checkbox" checked={isLeaked()} onChange={(event) => setLeaked(event.currentTarget.checked)} />
          <span>{pw().leaked}</span>
        </label>
        <Show when={wrong()}>
          <p class="wrong" role="alert">
            {wrong()}
          </p>
        </Show>
        <button class="strong wide">{pw().rotate}</button>
      </form>
    </Dialog>
  )
}
