import { createEffect, createMemo, createSignal, For, on, Show, type JSX } from 'solid-js'
import { momentOf, typedOf } from '../../data/booking'
import { callsItselfAdvertising, heldAtNight, isHttps, morningAfter, reached, shownTo } from '../../data/manage'
import { ask } from '../../data/service'
import type { AudienceSaid, NewBroadcast } from '../../net/interface'
import { Choice } from '../../ui/Choice'
import { Confirm } from '../../ui/Dialog'
import { orSay } from '../../ui/errors'
import { later } from '../../ui/later'
import { dayAndClock } from '../../ui/settings'
import { Field, Fresh } from '../services/Parts'
import { sight, ticking } from '../services/sight'
import { sw } from '../services/words'
import { Bubble, ButtonRows, PictureField, type Chosen } from './parts'
import { isEditor, type Shop } from './shop'
import type { Wishes } from './wishes'
import { w } from './words'
import { bw } from './words/broadcasts'

const BODY_MAX = 2_000
const BUTTONS_MAX = 5
const LABEL_MAX = 30
const HOUR_MS = 3_600_000
const DRAFT_MS = 300

/** What is written and not sent, kept on this device for a day. */
interface Draft {
  body: string
  kind: 'info' | 'ad'
  buttons: { label: string; url: string }[]
  picture: Chosen | undefined
}

const draftName = (shop: Shop): string => `manage broadcast draft ${shop.id}`

/** What was written has gone out. */
export const forgetDraft = (shop: Shop): void =>
  orSay(shop.client.sights.keep(draftName(shop), { body: '', kind: 'info', buttons: [], picture: undefined } satisfies Draft))

/** What is being written: as it was left, and kept while it changes. */
function drafted(shop: Shop) {
  const [kind, setKind] = createSignal<Draft['kind']>('info')
  const [body, setBody] = createSignal('')
  const [buttons, setButtons] = createSignal<Draft['buttons']>([])
  const [picture, setPicture] = createSignal<Chosen>()
  const keep = later((text: Draft) => orSay(shop.client.sights.keep(draftName(shop), text)), DRAFT_MS)
  void shop.client.sights.last<Draft>(draftName(shop)).then((before) => {
    if (!before || body()) return
    setBody(before.value.body)
    setKind(before.value.kind)
    setButtons(before.value.buttons)
    setPicture(before.value.picture)
  })
  createEffect(on([body, kind, buttons, picture], ([body, kind, buttons, picture]) => keep({ body, kind, buttons, picture }), { defer: true }))
  return { kind, setKind, body, setBody, buttons, setButtons, picture, setPicture, advertising: () => kind() === 'ad' }
}

/** A broadcast is written, looked at as a follower will, and sent once it is known to how many. */
export function Compose(props: { shop: Shop; wishes: Wishes; onDone: () => void }): JSX.Element {
  const { shop } = props
  const now = ticking()
  const { kind, setKind, body, setBody, buttons, setButtons, picture, setPicture, advertising } = drafted(shop)
  const [when, setWhen] = createSignal<'now' | 'later'>('now')
  const [starts, setStarts] = createSignal(typedOf(Math.ceil(Date.now() / HOUR_MS) * HOUR_MS + HOUR_MS))
  const [isAsked, setAsked] = createSignal(false)
  const audience = sight<AudienceSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/audience', { channel_id: shop.id }),
    pace: () => 30_000,
    name: `manage audience ${shop.id}`,
  })
  const people = () => (audience.value() ? reached(audience.value()!, advertising()) : 0)
  const at = () => (when() === 'later' ? (momentOf(starts()) ?? 0) : now())
  const isPast = () => when() === 'later' && at() <= now()
  /** What is said of those who wait for the morning, if there are any. */
  const held = () => {
    const [known, morning] = [audience.value(), advertising() ? morningAfter(at()) : undefined]
    return known && morning !== undefined && heldAtNight(known) > 0 ? bw().nightNow(heldAtNight(known), dayAndClock(morning)) : ''
  }
  const isMarked = () => !advertising() && callsItselfAdvertising(body())
  const shown = createMemo(() => shownTo(shop.channel().name, { body: body(), advertising: advertising(), buttons: buttons() }))
  const isReady = () => body().trim() !== '' && !isMarked() && !isPast() && people() > 0 && buttons().every((button) => button.label && isHttps(button.url))
  function send(): void {
    const said: NewBroadcast = {
      body: body().trim(),
      advertising: advertising(),
      buttons: buttons(),
      ...(when() === 'later' && { starts_at: at() }),
      ...(picture() && { picture: { url: picture()!.uri, mimetype: picture()!.mimetype, size: picture()!.size } }),
    }
    props.wishes.want('POST /_bongsu/v1/channels/{channel_id}/broadcasts', {}, said)
    props.onDone()
  }
  return (
    <Show when={isEditor(shop)} fallback={<p class="empty">{w().notYours}</p>}>
      <div class="beside">
        <form class="block fields" onSubmit={(event) => (event.preventDefault(), setAsked(true))}>
          <Kinds kind={kind()} onPick={setKind} />
          <Field label={bw().body} hint={bw().bodyHint(BODY_MAX - body().length)}>
            <textarea name="body" required rows="7" maxlength={BODY_MAX} value={body()} aria-describedby="broadcast-marked" onInput={(event) => setBody(event.currentTarget.value)} />
          </Field>
          <p id="broadcast-marked" class={isMarked() ? 'wrong' : 'unseen'} role="status">
            {isMarked() ? bw().isAd : ''}
          </p>
          <PictureField label={`${w().picture} (${sw().optional})`} uri={picture()?.uri} onPick={setPicture} />
          <ButtonRows buttons={buttons()} max={BUTTONS_MAX} labelMax={LABEL_MAX} onChange={setButtons} />
          <Choice label={bw().when} value={when()} values={[['now', bw().whens.now], ['later', bw().whens.later]] as const} onChange={setWhen} />
          <Show when={when() === 'later'}>
            <Field label={bw().startsAt} hint={bw().startsHint}>
              <input name="starts" type="datetime-local" required min={typedOf(now())} value={starts()} onInput={(event) => setStarts(event.currentTarget.value)} />
            </Field>
          </Show>
          <Show when={isPast()}>
            <p class="wrong" role="status">
              {bw().past}
            </p>
          </Show>
          <Show when={advertising()}>
            <p class="quiet small">{bw().night}</p>
          </Show>
          <Show when={held()}>
            <p class="wrong" role="status">
              {held()}
            </p>
          </Show>
          <p class="quiet small">{bw().quiet}</p>
          <p class="reach" role="status">
            <Show when={audience.value()} fallback={<Fresh of={audience} />}>
              {(known) => <>{people() === 0 ? bw().nobody : advertising() ? bw().reachAd(people(), known().followers) : bw().reach(people())}</>}
            </Show>
          </p>
          <Show when={audience.value() && audience.error()}>
            <Fresh of={audience} />
          </Show>
          <button class="strong wide" disabled={!isReady()}>
            {bw().next}
          </button>
        </form>
        <Bubble label={bw().preview} from={shop.channel().name} picture={picture()?.uri} body={body().trim() ? shown() : bw().previewEmpty} />
      </div>
      <Show when={isAsked()}>
        <Confirm
          title={bw().confirm}
          text={when() === 'now' ? bw().confirmNow(people()) : bw().confirmLater(people(), dayAndClock(at()))}
          action={when() === 'now' ? bw().send(people()) : bw().schedule}
          onClose={() => setAsked(false)}
          onYes={send}
        >
          <Show when={held()}>
            <p class="wrong">{held()}</p>
          </Show>
          <Bubble label={bw().preview} from={shop.channel().name} picture={picture()?.uri} body={shown()} />
        </Confirm>
      </Show>
    </Show>
  )
}

function Kinds(props: { kind: 'info' | 'ad'; onPick: (kind: 'info' | 'ad') => void }): JSX.Element {
  return (
    <fieldset class="kinds">
      <legend>{bw().kind}</legend>
      <For each={['info', 'ad'] as const}>
        {(kind) => (
          <label class="kind">
            <input type="radio" name="kind" value={kind} checked={props.kind === kind} onChange={() => props.onPick(kind)} />
            <span>
              <strong>{bw().kinds[kind]}</strong>
              <small class="hint">{bw().kindHints[kind]}</small>
            </span>
          </label>
        )}
      </For>
    </fieldset>
  )
}
