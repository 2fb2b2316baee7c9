import { createResource, createSignal, For, Show, type JSX } from 'solid-js'
import { ledgerCsv, proofsOf } from '../../data/manage'
import { localpart } from '../../data/rooms'
import { ask, fileOf } from '../../data/service'
import type { AudienceSaid, FollowersSaid } from '../../net/interface'
import { Dialog } from '../../ui/Dialog'
import { explain } from '../../ui/errors'
import { dayAndClock, t } from '../../ui/settings'
import { Fresh } from '../services/Parts'
import { give, sight } from '../services/sight'
import { Figures } from './Figures'
import { Export, Rows, Whole } from './parts'
import type { SectionProps, Shop } from './shop'
import { w } from './words'
import { ow } from './words/people'

const STEP = 50
const MOST = 500

/** Who follows, what they agreed to, and how that is shown when it is doubted. */
export default function Followers(props: SectionProps): JSX.Element {
  const { shop } = props
  const [count, setCount] = createSignal(STEP)
  const [proving, setProving] = createSignal<string>()
  const audience = sight<AudienceSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/audience', { channel_id: shop.id }),
    pace: () => 30_000,
    name: `manage audience ${shop.id}`,
  })
  const followers = sight<FollowersSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/followers', { channel_id: shop.id }, { limit: String(count()) }),
    pace: () => 30_000,
    name: `manage followers ${shop.id}`,
  })
  return (
    <>
      <p class="quiet">{ow().followersHint}</p>
      <Figures of={audience.value()} />
      <p class="choices">
        <Export of={() => fileOf(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/followers.csv', { channel_id: shop.id })} name={`${shop.id}-followers.csv`} text={ow().csvOfAll} />
      </p>
      <Fresh of={followers} />
      <ul class="cards tight">
        <Rows rows={followers.value()?.followers} id={(one) => one.user_id} fallback={<li class="empty">{followers.value() ? ow().noFollowers : t().loading}</li>}>
          {(one) => (
            <li class="block line-card">
              <span class="what">
                <strong>{localpart(one().user_id)}</strong>
                <span class="quiet small">
                  {one().user_id} · {ow().since(dayAndClock(one().since_ts))}
                </span>
                <span class="tags">
                  <Show when={one().advertising}>
                    <span class="tag">{ow().ad}</span>
                  </Show>
                  <Show when={one().advertising_at_night}>
                    <span class="tag">{ow().night}</span>
                  </Show>
                </span>
              </span>
              <button type="button" class="plain" aria-label={ow().proveOf(localpart(one().user_id))} onClick={() => setProving(one().user_id)}>
                {ow().prove}
              </button>
            </li>
          )}
        </Rows>
      </ul>
      <Show when={followers.value()?.next_batch && count() < MOST}>
        <button type="button" class="plain" onClick={() => (setCount(Math.min(MOST, count() + 3 * STEP)), followers.poke())}>
          {w().more}
        </button>
      </Show>
      <Show when={proving()} keyed>
        {(user) => <Ledger shop={shop} user={user} onClose={() => setProving(undefined)} />}
      </Show>
    </>
  )
}

/** Of one person, what they agreed to here and took back, and whether the ledger is whole. */
function Ledger(props: { shop: Shop; user: string; onClose: () => void }): JSX.Element {
  const { matrix } = props.shop.client
  const [found] = createResource(async () => {
    const of = { channel_id: props.shop.id, user_id: props.user }
    const [ledger, { texts }] = await Promise.all([
      ask(matrix, 'GET /_bongsu/v1/channels/{channel_id}/followers/{user_id}/consents', of, { limit: '500', verify: 'true' }),
      ask(matrix, 'GET /_bongsu/v1/channels/consents/texts', {}),
    ])
    return { entries: ledger.entries, faults: ledger.faults ?? [], proofs: proofsOf(ledger.entries, texts) }
  })
  const csv = () => new Blob([ledgerCsv(props.user, found()!.entries)], { type: 'text/csv' })
  return (
    <Dialog kind="page" title={ow().proveOf(localpart(props.user))} onClose={props.onClose}>
      <div class="form">
        <Show when={!found.error} fallback={<p class="wrong">{explain(found.error)}</p>}>
          <Show when={found()} fallback={<p>{t().loading}</p>}>
            {(known) => (
              <>
                <Whole faults={known().faults} />
                <ol class="ledger">
                  <For each={known().proofs} fallback={<li>{ow().noProof}</li>}>
                    {(proof) => (
                      <li>
                        <strong>
                          {ow().consents[proof.consent] ?? proof.consent}: {ow().actions[proof.action]}
                        </strong>
                        <span class="quiet small">
                          {[dayAndClock(proof.at), ow().hows[proof.how] ?? proof.how].join(' · ')}
                        </span>
                        <Show when={proof.words}>
                          <span class="small">{proof.words === 'same' ? ow().sameWords : ow().otherWords(proof.version ?? '')}</span>
                        </Show>
                      </li>
                    )}
                  </For>
                </ol>
                <p class="choices">
                  <button type="button" class="plain" onClick={() => give(csv(), `${props.shop.id}-consents.csv`)}>
                    {ow().csvOfOne}
                  </button>
                </p>
              </>
            )}
          </Show>
        </Show>
      </div>
    </Dialog>
  )
}
