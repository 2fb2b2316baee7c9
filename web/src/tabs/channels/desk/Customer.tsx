import { createSignal, For, Show, type JSX } from 'solid-js'
import { fileOf } from '../../../data/service'
import type { DetailSaid } from '../../../net/interface'
import { Dialog } from '../../../ui/Dialog'
import { orSay } from '../../../ui/errors'
import { dayAndClock, language } from '../../../ui/settings'
import { give, open } from '../../services/sight'
import { customerName, nameOf, type Place } from './place'
import { w } from './words'

const TALK = '/_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}'

/** What a customer agreed to, who had the conversation, and the conversation to take along. */
export function Customer(props: { place: Place; detail: DetailSaid; onClose: () => void }): JSX.Element {
  const agreed = () => props.detail.agreed
  const until = (ts: number | null) => (ts === null ? w().now : dayAndClock(ts))
  return (
    <Dialog title={customerName(props.detail)} onClose={props.onClose}>
      <div class="scroll padded cdesk-customer">
        <p class="quiet">{props.detail.customer}</p>
        <section>
          <h3>{w().consent}</h3>
          <ul class="cdesk-tags">
            <li class="tag">{agreed().follow ? w().consents.follow : w().noConsent}</li>
            <li class="tag">{agreed().advertising ? w().consents.advertising : w().noAdvertising}</li>
            <Show when={agreed().advertising_at_night}>
              <li class="tag">{w().consents.advertising_at_night}</li>
            </Show>
          </ul>
          <p class="small quiet">{w().consentHint}</p>
        </section>
        <section>
          <h3>{w().had}</h3>
          <ul>
            <For each={(props.detail.assignments ?? []).toReversed()} fallback={<li class="quiet">{w().hadNobody}</li>}>
              {(turn) => (
                <li>
                  <strong>{nameOf(props.place, turn.agent)}</strong> <span class="small quiet">{w().since(dayAndClock(turn.from_ts), until(turn.until_ts))}</span>
                </li>
              )}
            </For>
          </ul>
        </section>
        <Transcript place={props.place} id={props.detail.conversation_id} />
      </div>
    </Dialog>
  )
}

function Transcript(props: { place: Place; id: string }): JSX.Element {
  const { client, id: channel_id } = props.place.shop
  const [isInternal, setInternal] = createSignal(false)
  const of = { channel_id, conversation_id: props.id }
  const query = () => ({ lang: language(), ...(isInternal() && { internal: 'true' }) })
  const page = async () => open(await fileOf(client.matrix, `GET ${TALK}/transcript`, of, query()), `${props.id}.html`)
  const csv = async () => give(await fileOf(client.matrix, `GET ${TALK}/transcript.csv`, of, query()), `${props.id}.csv`)
  return (
    <section>
      <h3>{w().transcript}</h3>
      <div class="switches" role="group" aria-label={w().transcript}>
        <button type="button" aria-pressed={!isInternal()} onClick={() => setInternal(false)}>
          {w().forCustomer}
        </button>
        <button type="button" aria-pressed={isInternal()} onClick={() => setInternal(true)}>
          {w().forStaff}
        </button>
      </div>
      <p class="small quiet">{w().transcriptHint}</p>
      <p class="choices">
        <button type="button" class="plain" onClick={() => orSay(csv())}>
          {w().csv}
        </button>
        <button type="button" class="strong" onClick={() => orSay(page())}>
          {w().print}
        </button>
      </p>
    </section>
  )
}
