import { createEffect, createSignal, For, Match, on, Show, Switch, type JSX } from 'solid-js'
import { exampleOf, stepsOf, type Step } from '../../data/manage'
import { ask } from '../../data/service'
import type { VersionSaid, VersionsSaid } from '../../net/interface'
import { Confirm } from '../../ui/Dialog'
import { openPage } from '../../ui/route'
import { say } from '../../ui/say'
import { dayAndClock, t } from '../../ui/settings'
import { Fresh, Pending } from '../services/Parts'
import { sight } from '../services/sight'
import { Bubble, CopyLine, Rows } from './parts'
import { isEditor, type SectionProps, type Shop } from './shop'
import { TemplateForm } from './TemplateForm'
import { intentName, wishesIn, type Wishes } from './wishes'
import { w } from './words'
import { tw } from './words/templates'

const ONE = '/_bongsu/v1/channels/{channel_id}/templates/{template_id}'

/** All of them; the first id: "new", or the one that is looked at. */
export default function Templates(props: SectionProps): JSX.Element {
  const { shop } = props
  const [told, setTold] = createSignal(0)
  const to = (...ids: string[]) => openPage('manage', shop.id, 'templates', ...ids)
  const wishes = wishesIn(shop, 'templates', (done) => {
    const last = done.what.split('/').at(-1)!
    say(tw().done[last] ?? tw().saved)
    setTold(told() + 1)
    if (last === 'templates' && props.ids[0] === 'new') to(String(done.answer?.['template_id']))
  })
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
          <TemplateForm shop={shop} wishes={wishes} before={undefined} />
        </Match>
        <Match when={!props.ids[0]}>
          <p class="quiet">{tw().hint}</p>
          <Show when={isEditor(shop)}>
            <p class="choices">
              <button type="button" class="strong" onClick={() => to('new')}>
                {tw().write}
              </button>
            </p>
          </Show>
          <Listed shop={shop} told={told()} onOpen={(id) => to(id)} />
        </Match>
      </Switch>
    </>
  )
}

/** told: something was done, so that it is looked at anew. */
function Listed(props: { shop: Shop; told: number; onOpen: (id: string) => void }): JSX.Element {
  const { shop } = props
  const templates = sight<VersionsSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/templates', { channel_id: shop.id }, { limit: '500' }),
    pace: (value) => (value?.templates.some(({ state }) => state === 'submitted') ? 10_000 : 60_000),
    name: `manage templates ${shop.id}`,
  })
  createEffect(on(() => props.told, () => templates.poke(), { defer: true }))
  return (
    <>
      <Fresh of={templates} />
      <ul class="cards">
        <Rows rows={templates.value()?.templates} id={(one) => one.template_id} fallback={<li class="empty">{templates.value() ? tw().none : t().loading}</li>}>
          {(one) => (
            <li>
              <button type="button" class="block card" data-state={one().state} onClick={() => props.onOpen(one().template_id)}>
                <span class="tags">
                  <StateTag of={one()} /> <span class="tag">{tw().reasons[one().reason]}</span>
                </span>
                <strong>{one().name}</strong>
                <span class="card-text quiet">{one().body}</span>
                <span class="quiet small">{[tw().version(one().version), dayAndClock(one().made_ts)].join(' · ')}</span>
              </button>
            </li>
          )}
        </Rows>
      </ul>
    </>
  )
}

const StateTag = (props: { of: VersionSaid }): JSX.Element => (
  <span class="tag" classList={{ warm: props.of.state === 'submitted', hot: props.of.state === 'refused', good: props.of.state === 'approved' }}>
    {tw().states[props.of.state]}
  </span>
)

function One(props: { shop: Shop; id: string; wishes: Wishes; told: number; onBack: () => void }): JSX.Element {
  const { shop } = props
  const [isEditing, setEditing] = createSignal(false)
  const [isRetiring, setRetiring] = createSignal(false)
  const seen = sight<VersionsSaid>(shop.client, {
    look: () => ask(shop.client.matrix, `GET ${ONE}`, { channel_id: shop.id, template_id: props.id }),
    pace: (value) => (value?.templates[0]?.state === 'submitted' ? 4_000 : 60_000),
    name: `manage template ${props.id}`,
  })
  createEffect(on(() => props.told, () => (seen.poke(), setEditing(false)), { defer: true }))
  const newest = () => seen.value()?.templates[0]
  const approved = () => seen.value()?.templates.find(({ state }) => state === 'approved')
  const steps = (): Step[] => (newest() && isEditor(shop) ? stepsOf(newest()!.state, approved() !== undefined) : [])
  const go = (step: Step) => props.wishes.want(`POST ${ONE}/${step as 'submit'}`, { template_id: props.id }, undefined, props.id)
  const act = (step: Step) => (step === 'edit' ? setEditing(true) : step === 'retire' ? setRetiring(true) : go(step))
  return (
    <Show when={newest()} fallback={<Fresh of={seen} />}>
      {(one) => (
        <Show
          when={!isEditing()}
          fallback={<TemplateForm shop={shop} wishes={props.wishes} before={one()} />}
        >
          <p class="choices">
            <button type="button" class="plain" onClick={() => props.onBack()}>
              {tw().all}
            </button>
          </p>
          <section class="block" aria-label={one().name} data-state={one().state}>
            <p class="tags">
              <StateTag of={one()} /> <span class="tag">{tw().reasons[one().reason]}</span> <span class="tag">{tw().version(one().version)}</span>
            </p>
            <h3>{one().name}</h3>
            <p class="quiet">{tw().stateHints[one().state]}</p>
            <Show when={one().why}>
              {(why) => (
                <p class="wrong">
                  {tw().why}: {why()}
                </p>
              )}
            </Show>
            <Show when={one().state !== 'approved' && approved()}>{(sent) => <p class="quiet">{tw().stillSent(sent().version)}</p>}</Show>
            <Example shop={shop} of={one()} />
            <CopyLine label={tw().id} text={one().template_id} />
            <Fresh of={seen} />
            <p class="choices">
              <For each={steps()}>
                {(step) => (
                  <button type="button" class={step === 'submit' ? 'strong' : 'plain'} disabled={props.wishes.isBusy()} onClick={() => act(step)}>
                    {step === 'edit' && one().state !== 'draft' ? tw().newVersion : tw().steps[step]}
                  </button>
                )}
              </For>
            </p>
          </section>
          <Older shop={shop} versions={seen.value()!.templates.slice(1)} />
          <Show when={isRetiring()}>
            <Confirm title={tw().steps.retire} text={tw().retireConfirm} action={tw().steps.retire} onClose={() => setRetiring(false)} onYes={() => (go('retire'), setRetiring(false))} />
          </Show>
        </Show>
      )}
    </Show>
  )
}

function Older(props: { shop: Shop; versions: readonly VersionSaid[] }): JSX.Element {
  return (
    <Show when={props.versions.length > 0}>
      <details class="block">
        <summary>{tw().versions}</summary>
        <For each={props.versions}>
          {(one) => (
            <div>
              <p class="tags">
                <StateTag of={one} /> <span class="tag">{tw().version(one.version)}</span> <span class="quiet small">{dayAndClock(one.made_ts)}</span>
              </p>
              <Show when={one.why}>
                <p class="quiet">
                  {tw().why}: {one.why}
                </p>
              </Show>
              <Example shop={props.shop} of={one} />
            </div>
          )}
        </For>
      </details>
    </Show>
  )
}

/** With an example in each place. */
export function Example(props: { shop: Shop; of: Pick<VersionSaid, 'body' | 'variables' | 'buttons'> }): JSX.Element {
  const shown = (text: string) => exampleOf(text, props.of.variables ?? [])
  return (
    <Bubble label={tw().preview} from={props.shop.channel().name} body={props.of.body.trim() ? shown(props.of.body) : tw().previewEmpty}>
      <Show when={(props.of.buttons ?? []).length > 0}>
        <ul class="preview-buttons">
          <For each={props.of.buttons ?? []}>
            {(button) => (
              <li>
                <span>{button.label}</span>
                <Show when={button.url}>{(url) => <small class="quiet">{shown(url())}</small>}</Show>
              </li>
            )}
          </For>
        </ul>
      </Show>
    </Bubble>
  )
}
