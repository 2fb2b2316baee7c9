import { createEffect, createSignal, For, Match, on, Show, Switch, type JSX } from 'solid-js'
import { isLive, paceOf, shareOf } from '../../data/manage'
import { ask, fileOf } from '../../data/service'
import type { BroadcastSaid, BroadcastsSaid } from '../../net/interface'
import { Confirm } from '../../ui/Dialog'
import { openPage } from '../../ui/route'
import { say } from '../../ui/say'
import { dayAndClock, t } from '../../ui/settings'
import { Fresh, Pending } from '../services/Parts'
import { sight } from '../services/sight'
import { Compose, forgetDraft } from './Compose'
import { Export, Rows } from './parts'
import { isEditor, type SectionProps, type Shop } from './shop'
import { intentName, wishesIn, type Wishes } from './wishes'
import { w } from './words'
import { bw } from './words/broadcasts'

const STEP = 20
const MOST = 500

/** All of them; the first id: "new", or the one that is looked at. */
export default function Broadcasts(props: SectionProps): JSX.Element {
  const { shop } = props
  const [told, setTold] = createSignal(0)
  const wishes = wishesIn(shop, 'broadcasts', (done) => {
    const isSent = !done.what.endsWith('/cancel')
    say(isSent ? bw().sendAccepted : bw().stopped)
    if (isSent) forgetDraft(shop)
    setTold(told() + 1)
  })
  const to = (...ids: string[]) => openPage('manage', shop.id, 'broadcasts', ...ids)
  return (
    <>
      <Pending intents={wishes.intents()} nameOf={intentName} errors={w().errors} />
      <Switch
        fallback={
          <Show when={props.ids[0]} keyed>
            {(id) => <One shop={shop} id={id} wishes={wishes} told={told()} onBack={() => to()} />}
          </Show>
        }
      >
        <Match when={props.ids[0] === 'new'}>
          <Compose shop={shop} wishes={wishes} onDone={() => to()} />
        </Match>
        <Match when={!props.ids[0]}>
          <p class="choices">
            <Show when={isEditor(shop)}>
              <button type="button" class="strong" onClick={() => to('new')}>
                {bw().write}
              </button>
            </Show>
            <Export
              of={() => fileOf(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/broadcasts.csv', { channel_id: shop.id })}
              name={`${shop.id}-broadcasts.csv`}
              text={w().csv}
            />
          </p>
          <Newest shop={shop} told={told()} onOpen={(id) => to(id)} />
        </Match>
      </Switch>
    </>
  )
}

/** told: something was done, so that it is looked at anew. */
function Newest(props: { shop: Shop; told: number; onOpen: (id: string) => void }): JSX.Element {
  const { shop } = props
  const [count, setCount] = createSignal(STEP)
  const broadcasts = sight<BroadcastsSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/broadcasts', { channel_id: shop.id }, { limit: String(count()) }),
    pace: (value) => paceOf(value?.broadcasts ?? [], Date.now()),
    name: `manage broadcasts ${shop.id}`,
  })
  createEffect(on(() => props.told, () => broadcasts.poke(), { defer: true }))
  return (
    <>
      <Fresh of={broadcasts} />
      <Listed broadcasts={broadcasts.value()?.broadcasts} onOpen={(id) => props.onOpen(id)} />
      <Show when={broadcasts.value()?.next_batch && count() < MOST}>
        <button type="button" class="plain" onClick={() => (setCount(Math.min(MOST, 5 * count())), broadcasts.poke())}>
          {w().more}
        </button>
      </Show>
    </>
  )
}

export function Listed(props: { broadcasts: BroadcastSaid[] | undefined; onOpen: (id: string) => void }): JSX.Element {
  return (
    <ul class="cards">
      <Rows
        rows={props.broadcasts}
        id={(one) => one.broadcast_id}
        fallback={
          <li class="empty">
            <Show when={props.broadcasts} fallback={t().loading}>
              <strong>{bw().none}</strong>
              {bw().noneHint}
            </Show>
          </li>
        }
      >
        {(one) => (
          <li>
            <button type="button" class="block card" data-state={one().state} onClick={() => props.onOpen(one().broadcast_id)}>
              <span class="tags">
                <Tags of={one()} />
              </span>
              <span class="card-text">{one().body}</span>
              <span class="quiet small">{lineOf(one())}</span>
              <Show when={one().state === 'running'}>
                <Bar of={one()} />
              </Show>
            </button>
          </li>
        )}
      </Rows>
    </ul>
  )
}

function Tags(props: { of: BroadcastSaid }): JSX.Element {
  return (
    <>
      <span class="tag" classList={{ warm: isLive(props.of) }}>
        {bw().states[props.of.state]}
      </span>{' '}
      <span class="tag">{props.of.advertising ? bw().ad : bw().info}</span>
    </>
  )
}

function lineOf(one: BroadcastSaid): string {
  if (one.state === 'scheduled') return bw().startsIn(dayAndClock(one.starts_at))
  return [dayAndClock(one.began_ts ?? one.starts_at), `${bw().facts.sent} ${bw().people(one.sent ?? 0)}`].join(' · ')
}

function Bar(props: { of: BroadcastSaid }): JSX.Element {
  const percent = () => Math.round(shareOf(props.of) * 100)
  const text = () => bw().progressOf((props.of.sent ?? 0) + (props.of.refused ?? 0), props.of.audience ?? 0)
  return (
    <span class="bar-line">
      <span class="bar-track" role="progressbar" aria-label={bw().progress} aria-valuemin="0" aria-valuemax="100" aria-valuenow={percent()} aria-valuetext={text()}>
        <span class="bar-fill" style={{ width: `${percent()}%` }} />
      </span>
      <span class="small tick">{text()}</span>
    </span>
  )
}

function One(props: { shop: Shop; id: string; wishes: Wishes; told: number; onBack: () => void }): JSX.Element {
  const { shop } = props
  const [isAsked, setAsked] = createSignal(false)
  const seen = sight<BroadcastSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/broadcasts/{broadcast_id}', { channel_id: shop.id, broadcast_id: props.id }),
    pace: (value) => paceOf(value ? [value] : [], Date.now()),
    name: `manage broadcast ${props.id}`,
  })
  createEffect(on(() => props.told, () => seen.poke(), { defer: true }))
  function stop(): void {
    props.wishes.want('POST /_bongsu/v1/channels/{channel_id}/broadcasts/{broadcast_id}/cancel', { broadcast_id: props.id }, undefined, props.id)
    setAsked(false)
  }
  return (
    <>
      <p class="choices">
        <button type="button" class="plain" onClick={() => props.onBack()}>
          {bw().all}
        </button>
      </p>
      <Show when={seen.value()} fallback={<Fresh of={seen} />}>
        {(one) => (
          <section class="block" aria-label={bw().states[one().state]}>
            <p class="tags">
              <Tags of={one()} />
            </p>
            <p class="about-text">{one().body}</p>
            <Show when={one().state !== 'scheduled'} fallback={<p>{bw().startsIn(dayAndClock(one().starts_at))}</p>}>
              <Bar of={one()} />
            </Show>
            <Facts of={one()} />
            <Fresh of={seen} />
            <Show when={isLive(one()) && isEditor(shop)}>
              <p class="choices">
                <button type="button" class="strong danger" disabled={props.wishes.isBusy()} onClick={() => setAsked(true)}>
                  {bw().stop}
                </button>
              </p>
            </Show>
            <Show when={isAsked()}>
              <Confirm title={bw().stop} text={bw().stopConfirm(one().sent ?? 0)} action={bw().stop} onClose={() => setAsked(false)} onYes={stop} />
            </Show>
          </section>
        )}
      </Show>
    </>
  )
}

function Facts(props: { of: BroadcastSaid }): JSX.Element {
  const counts = () => (['audience', 'sent', 'delivered', 'read', 'left', 'held', 'refused'] as const).filter((name) => name in props.of && props.of[name] !== null)
  return (
    <>
      <dl class="figures">
        <For each={counts()}>
          {(name) => (
            <div data-count={name}>
              <dt>{bw().facts[name]}</dt>
              <dd>{bw().people(props.of[name] ?? 0)}</dd>
            </div>
          )}
        </For>
      </dl>
      <dl class="facts">
        <Show when={props.of.began_ts}>{(at) => <Fact name={bw().facts.began} text={dayAndClock(at())} />}</Show>
        <Show when={props.of.ended_ts}>{(at) => <Fact name={bw().facts.ended} text={dayAndClock(at())} />}</Show>
        <Fact name={bw().facts.by} text={props.of.author} />
      </dl>
      <Show when={(props.of.held ?? 0) > 0}>
        <p class="wrong">{bw().heldHint}</p>
      </Show>
      <Show when={(props.of.refused ?? 0) > 0}>
        <p class="quiet small">{bw().refusedHint}</p>
      </Show>
      <Show when={props.of.state !== 'scheduled'}>
        <p class="quiet small">{bw().countedHint}</p>
      </Show>
    </>
  )
}

const Fact = (props: { name: string; text: string }): JSX.Element => (
  <>
    <dt>{props.name}</dt>
    <dd>{props.text}</dd>
  </>
)
