import { createSignal, For, Show, type JSX } from 'solid-js'
import { SCOPES } from '../../data/manage'
import { ask } from '../../data/service'
import type { ChannelsKeysKeySaid, KeysSaid } from '../../net/interface'
import { Confirm, Dialog } from '../../ui/Dialog'
import { dayAndClock, t } from '../../ui/settings'
import { Field, Fresh, Pending, read } from '../services/Parts'
import { sight } from '../services/sight'
import { Rows, Secret, Ticks } from './parts'
import { isOwner, type SectionProps, type Shop } from './shop'
import { intentName, onceOf, whyNot, wishesIn } from './wishes'
import { w } from './words'
import { pw } from './words/programs'

const LIVE_FIRST = (one: ChannelsKeysKeySaid, other: ChannelsKeysKeySaid) => Number(!!one.revoked_ts) - Number(!!other.revoked_ts)

const lifeOf = ({ revoked_ts, used_ts }: ChannelsKeysKeySaid): string =>
  revoked_ts ? pw().revoked(dayAndClock(revoked_ts)) : used_ts ? pw().used(dayAndClock(used_ts)) : pw().neverUsed

/** What the channel's programs come in with. */
export default function Keys(props: SectionProps): JSX.Element {
  const { shop } = props
  const [isNew, setNew] = createSignal(false)
  const [made, setMade] = createSignal<{ secret: string | undefined }>()
  const [revoking, setRevoking] = createSignal<ChannelsKeysKeySaid>()
  const keys = sight<KeysSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/keys', { channel_id: shop.id }, { limit: '200' }),
    pace: () => 60_000,
    name: `manage keys ${shop.id}`,
  })
  const wishes = wishesIn(shop, 'keys', () => keys.poke())
  function keep(secret: string | undefined): void {
    setNew(false)
    setMade({ secret })
    keys.poke()
  }
  return (
    <>
      <p class="quiet">{pw().keysHint}</p>
      <Show when={isOwner(shop)}>
        <p class="choices">
          <button type="button" class="strong" onClick={() => setNew(true)}>
            {pw().newKey}
          </button>
        </p>
      </Show>
      <Fresh of={keys} />
      <Pending intents={wishes.intents()} nameOf={intentName} errors={w().errors} />
      <ul class="cards">
        <Rows rows={keys.value()?.keys.toSorted(LIVE_FIRST)} id={(key) => key.key_id} fallback={<li class="empty">{keys.value() ? pw().noKeys : t().loading}</li>}>
          {(key) => (
            <li class="block" classList={{ gone: !!key().revoked_ts }}>
              <h3>{key().name}</h3>
              <p class="tags">
                <For each={key().scopes}>{(scope) => <span class="tag">{pw().scopeNames[scope] ?? scope}</span>}</For>
              </p>
              <p class="quiet small">
                {[pw().made(dayAndClock(key().made_ts)), lifeOf(key())].join(' · ')}
              </p>
              <Show when={!key().revoked_ts && isOwner(shop)}>
                <p class="choices">
                  <button type="button" class="plain" aria-label={`${pw().revoke}: ${key().name}`} onClick={() => setRevoking(key())}>
                    {pw().revoke}
                  </button>
                </p>
              </Show>
            </li>
          )}
        </Rows>
      </ul>
      <Show when={isNew()}>
        <NewKeyForm shop={shop} onMade={keep} onClose={() => setNew(false)} />
      </Show>
      <Show when={made()}>{(told) => <Secret title={pw().keyTitle} secret={told().secret} lost={pw().keyLost} onClose={() => setMade(undefined)} />}</Show>
      <Show when={revoking()} keyed>
        {(key) => (
          <Confirm
            title={`${pw().revoke}: ${key.name}`}
            text={pw().revokeConfirm}
            action={pw().revoke}
            onClose={() => setRevoking(undefined)}
            onYes={() => {
              wishes.want('DELETE /_bongsu/v1/channels/{channel_id}/keys/{key_id}', { key_id: key.key_id }, undefined, key.key_id)
              setRevoking(undefined)
            }}
          />
        )}
      </Show>
    </>
  )
}

function NewKeyForm(props: { shop: Shop; onMade: (secret: string | undefined) => void; onClose: () => void }): JSX.Element {
  const [scopes, setScopes] = createSignal<readonly string[]>([])
  const [wrong, setWrong] = createSignal('')
  const [isSending, setSending] = createSignal(false)
  const make = onceOf(props.shop, 'POST /_bongsu/v1/channels/{channel_id}/keys')
  async function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): Promise<void> {
    event.preventDefault()
    if (scopes().length === 0) return void setWrong(pw().oneScope)
    const name = read(event.currentTarget)['name'] ?? ''
    setSending(true)
    setWrong('')
    try {
      props.onMade((await make({}, { name, scopes: [...scopes()] })).secret ?? undefined)
    } catch (error) {
      setWrong(whyNot(error))
    }
    setSending(false)
  }
  return (
    <Dialog title={pw().newKey} onClose={props.onClose}>
      <form class="form" onSubmit={(event) => void send(event)}>
        <Field label={pw().keyName} hint={pw().keyNameHint}>
          <input name="name" required maxlength="50" autocomplete="off" autofocus />
        </Field>
        <Ticks label={pw().scopes} values={SCOPES.map((scope) => [scope, `${pw().scopeNames[scope]} (${scope})`] as const)} chosen={scopes()} onChange={setScopes} />
        <Show when={wrong()}>
          <p class="wrong" role="alert">
            {wrong()}
          </p>
        </Show>
        <button class="strong wide" disabled={isSending()}>
          {pw().newKey}
        </button>
      </form>
    </Dialog>
  )
}
