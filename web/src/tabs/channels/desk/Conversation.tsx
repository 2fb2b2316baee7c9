import { createEffect, createMemo, createSignal, For, Match, on, onCleanup, onMount, Show, Switch, type JSX } from 'solid-js'
import { clockOf } from '../../../data/board'
import { actsOf, linesOf, merged, waitedOf, withOlder, type Act, type Line, type Messages } from '../../../data/channelDesk'
import { isOpen as isUnderWay, type Intent } from '../../../data/intents'
import type { Link } from '../../../data/links'
import { ask, askAll, isRefused } from '../../../data/service'
import type { DetailSaid, Note } from '../../../net/interface'
import { Confirm, Dialog } from '../../../ui/Dialog'
import { orSay } from '../../../ui/errors'
import { Icon } from '../../../ui/Icon'
import { clock } from '../../../ui/settings'
import { DangerousLink } from '../../DangerousLink'
import { isOpen } from '../../manage/shop'
import { Fresh, Pending } from '../../services/Parts'
import { sight, type Sight } from '../../services/sight'
import { sw } from '../../services/words'
import { Answer, type Mode } from './Answer'
import { Customer } from './Customer'
import { shortcuts } from './keys'
import { LineView, Unsent, Wanted } from './Lines'
import { Standing } from './List'
import { agentOf, customerName, nameOf, openDesk, type Place } from './place'
import { act, give, intentName, isSaid, talkLane } from './wishes'
import { w } from './words'

const LOOK_MS = 2_500
const FATE_MS = 5_000 // what is not in the room by then is asked after
const PAGE = '50'
const TALK = '/_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}'
const NEAR_PX = 80

interface Seen {
  detail: DetailSaid
  messages: Messages
  notes: Note[]
  now: number
}

/** One customer: what was said as the customer sees it, what agents noted, and what can be done. */
export function Conversation(props: { place: Place; id: string }): JSX.Element {
  const { place, id } = props
  const { client, id: channel_id } = place.shop
  const of = { channel_id, conversation_id: id }
  const page = async (from?: string): Promise<Messages> => {
    const found = await ask(client.matrix, `GET ${TALK}/messages`, of, { limit: PAGE, ...(from && { from }) })
    return { messages: found.messages, next: found.next_batch ?? undefined }
  }
  const seen: Sight<Seen> = sight<Seen>(client, {
    look: async (): Promise<Seen> => {
      const [detail, newest, notes] = await Promise.all([ask(client.matrix, `GET ${TALK}`, of), page(), askAll(client.matrix, `GET ${TALK}/notes`, 'notes', of, { limit: '500' })])
      await followSent(place, id, newest)
      return { detail, messages: merged(seen.value()?.messages, newest), notes: notes.rows, now: detail.now }
    },
    pace: () => LOOK_MS,
    name: `desk talk ${id}`,
  })
  createEffect(on(place.done, () => seen.poke(), { defer: true }))
  createEffect(() => {
    const known = seen.value()
    if (known && document.visibilityState === 'visible') place.saw(id, known.detail.newest_ts)
  })
  async function older(): Promise<void> {
    const found = await page(seen.value()!.messages.next)
    const now = seen.value()!
    seen.set({ ...now, messages: withOlder(now.messages, found) })
  }
  return (
    <section class="cdesk-talk" aria-label={w().log}>
      <Show
        when={seen.value()}
        fallback={
          <div class="cdesk-told">
            <Back channel={channel_id} />
            <Show when={isRefused(seen.error(), 404)} fallback={<Fresh of={seen} />}>
              <p class="empty">{sw().errors['M_NOT_FOUND']}</p>
            </Show>
          </div>
        }
      >
        {(known) => <Known place={place} id={id} seen={known()} fresh={<Show when={seen.error()}><Fresh of={seen} /></Show>} onOlder={older} />}
      </Show>
    </section>
  )
}

/** Answers that the room has are seen there; what stays away is asked after. */
async function followSent(place: Place, talk: string, newest: Messages): Promise<void> {
  const there = new Set(newest.messages.map((message) => message.message_id))
  place.setSent((all) => (all.some((one) => there.has(one.messageId)) ? all.filter((one) => !there.has(one.messageId)) : all))
  const late = place.sent().filter((one) => one.talk === talk && !one.isRefused && one.at < Date.now() - FATE_MS)
  for (const one of late.slice(0, 3)) {
    const { state } = await ask(place.shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/messages/{message_id}', { channel_id: place.shop.id, message_id: one.messageId })
    if (state === 'refused') place.setSent((all) => all.map((each) => (each.messageId === one.messageId ? { ...each, isRefused: true } : each)))
    else if (state !== 'queued') place.setSent((all) => all.filter((each) => each.messageId !== one.messageId)) // further up by now
  }
}

function Back(props: { channel: string }): JSX.Element {
  return (
    <button type="button" class="round cdesk-back" aria-label={w().back} onClick={() => openDesk(props.channel)}>
      <Icon name="back" />
    </button>
  )
}

interface KnownProps {
  place: Place
  id: string
  seen: Seen
  fresh: JSX.Element
  onOlder: () => Promise<void>
}

type Asked = 'give' | 'close' | 'customer'

function Known(props: KnownProps): JSX.Element {
  const { place, id } = props
  const { client, id: channel } = place.shop
  const [asked, setAsked] = createSignal<Asked>()
  const [mode, setMode] = createSignal<Mode>('answer')
  let write: ((mode: Mode) => void) | undefined
  const detail = () => props.seen.detail
  const mine = createMemo(() => place.intents().filter((intent) => intent.lane === talkLane(channel, id)))
  const beside = createMemo(() => mine().filter((intent) => !isSaid(intent)))
  const acts = createMemo<Act[]>(() => (isOpen(place.shop) ? actsOf(detail(), agentOf(place)) : []))
  const doAct = (wanted: Act) => {
    if (!acts().includes(wanted) || beside().some(isUnderWay)) return
    if (wanted === 'give' || wanted === 'close') setAsked(wanted)
    else act(client, channel, id, wanted)
  }
  shortcuts({ t: () => doAct('take'), e: () => doAct('close'), r: () => write?.('answer'), m: () => write?.('note') })
  return (
    <>
      <header class="cdesk-talk-head">
        <Back channel={channel} />
        <h3 tabindex="-1" ref={(heading) => onMount(() => heading.focus({ preventScroll: true }))}>
          {customerName(detail())}
        </h3>
        <button type="button" class="round cdesk-who" aria-label={w().customer} title={w().customer} onClick={() => setAsked('customer')}>
          <Icon name="friends" />
        </button>
        <Tags place={place} detail={detail()} />
        <Acts place={place} detail={detail()} acts={acts()} isBusy={beside().some(isUnderWay)} onAct={doAct} onFetch={() => give(client, channel, id, client.me)} />
      </header>
      <div class="cdesk-told">
        {props.fresh}
        <Pending intents={beside()} nameOf={intentName} errors={w().errors} />
      </div>
      <Log {...props} said={mine().filter(isSaid)} />
      <Show when={isOpen(place.shop)}>
        <Answer place={place} talk={detail()} mode={mode()} onMode={setMode} ref={(focus) => (write = focus)} />
      </Show>
      <Switch>
        <Match when={asked() === 'close'}>
          <Confirm
            title={w().acts.close}
            text={detail().waiting_since != null ? w().endUnanswered : w().endConfirm}
            action={w().acts.close}
            onClose={() => setAsked(undefined)}
            onYes={() => (act(client, channel, id, 'close'), setAsked(undefined))}
          />
        </Match>
        <Match when={asked() === 'give'}>
          <Give place={place} detail={detail()} onClose={() => setAsked(undefined)} />
        </Match>
        <Match when={asked() === 'customer'}>
          <Customer place={place} detail={detail()} onClose={() => setAsked(undefined)} />
        </Match>
      </Switch>
    </>
  )
}

function Tags(props: { place: Place; detail: DetailSaid }): JSX.Element {
  const waited = () => waitedOf(props.detail, props.place.now())
  const agreed = () => props.detail.agreed
  return (
    <p class="cdesk-tags">
      <Standing talk={props.detail} place={props.place} />
      <Show when={waited() !== undefined}>
        <span class="tag hot tick">{w().waits(clockOf(waited()!))}</span>
      </Show>
      <span class="tag">{agreed().follow ? w().consents.follow : w().noConsent}</span>
      <Show when={agreed().follow}>
        <span class="tag">{agreed().advertising ? w().consents.advertising : w().noAdvertising}</span>
      </Show>
    </p>
  )
}

/** Of another agent's conversation, who leads takes it by giving it to themselves. */
function Acts(props: { place: Place; detail: DetailSaid; acts: Act[]; isBusy: boolean; onAct: (act: Act) => void; onFetch: () => void }): JSX.Element {
  const isOthers = () => props.detail.state === 'open' && props.detail.agent !== props.place.shop.client.me
  const nameOfAct = (one: Act) => {
    if (one !== 'take') return w().acts[one]
    return props.detail.state === 'closed' ? w().reopen : props.detail.state === 'bot' ? w().takeOver : w().acts.take
  }
  return (
    <div class="acts cdesk-acts">
      <Show when={isOthers() && props.acts.includes('give')}>
        <button type="button" class="strong" disabled={props.isBusy} onClick={() => props.onFetch()}>
          {w().fetch}
        </button>
      </Show>
      <For each={props.acts}>
        {(one) => (
          <button type="button" class={one === 'take' ? 'strong' : 'plain'} disabled={props.isBusy} onClick={() => props.onAct(one)}>
            {nameOfAct(one)}
          </button>
        )}
      </For>
    </div>
  )
}

function Give(props: { place: Place; detail: DetailSaid; onClose: () => void }): JSX.Element {
  const { client, id: channel } = props.place.shop
  const others = () => props.place.staff().filter((one) => one.role !== 'editor' && one.user_id !== props.detail.agent)
  const pick = (agent: string) => {
    give(client, channel, props.detail.conversation_id, agent)
    props.onClose()
  }
  return (
    <Dialog title={w().giveTo} onClose={props.onClose}>
      <ul class="menu">
        <For each={others()} fallback={<li class="padded">{w().nobodyElse}</li>}>
          {(one) => (
            <li>
              <button type="button" onClick={() => pick(one.user_id)}>
                {nameOf(props.place, one.user_id)}
                <span class="quiet small">{w().roles[one.role]}</span>
              </button>
            </li>
          )}
        </For>
      </ul>
    </Dialog>
  )
}

/** The newest at the bottom; it stays there while somebody is there, and stands still while they read further up. */
function Log(props: KnownProps & { said: Intent[] }): JSX.Element {
  const [danger, setDanger] = createSignal<Link>()
  let log!: HTMLDivElement
  let isAtEnd = true
  const lines = createMemo(() => linesOf(props.seen.messages, props.seen.notes, props.seen.detail.assignments ?? []))
  const ids = createMemo(() => lines().map((line) => line.id))
  const byId = createMemo(() => new Map<string, Line>(lines().map((line) => [line.id, line])))
  const sent = createMemo(() => props.place.sent().filter((one) => one.talk === props.id))
  let inside!: HTMLDivElement
  onMount(() => {
    const grown = new ResizeObserver(() => isAtEnd && log.scrollTo({ top: log.scrollHeight })) // photos come late
    grown.observe(inside)
    grown.observe(log)
    onCleanup(() => grown.disconnect())
  })
  createEffect(on([() => sent().length, () => props.said.length], ([now, wanted], before) => before && now + wanted > before[0] + before[1] && toEnd(), { defer: true }))
  const toEnd = () => {
    isAtEnd = true
    log.scrollTo({ top: log.scrollHeight })
  }
  async function older(): Promise<void> {
    isAtEnd = false
    const fromEnd = log.scrollHeight - log.scrollTop
    await props.onOlder()
    log.scrollTo({ top: log.scrollHeight - fromEnd })
  }
  const scrolled = () => (isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX)
  return (
    <div ref={log} class="cdesk-log" role="log" aria-label={w().log} tabindex="0" onScroll={scrolled}>
      <div ref={inside}>
        <p class="event">
          <Show when={props.seen.messages.next} fallback={w().beginning}>
            <button type="button" class="plain" onClick={() => orSay(older())}>
              {w().older}
            </button>
          </Show>
        </p>
        <For each={ids()}>{(id, at) => <LineView find={() => byId().get(id)} before={() => byId().get(ids()[at() - 1] ?? '')} place={props.place} customer={customerName(props.seen.detail)} onDanger={setDanger} />}</For>
        <For each={sent()}>
          {(one) => (
            <Unsent body={one.body} isNote={false} isRefused={one.isRefused} state={one.isRefused ? w().refusedByRoom : w().accepted}>
              <Show when={one.isRefused} fallback={<span class="small">{clock(one.at)}</span>}>
                <button type="button" class="plain" onClick={() => props.place.setSent((all) => all.filter((each) => each.messageId !== one.messageId))}>
                  {sw().dismiss}
                </button>
              </Show>
            </Unsent>
          )}
        </For>
        <For each={props.said.map((intent) => intent.key)}>{(key) => <Wanted find={() => props.said.find((intent) => intent.key === key)} />}</For>
      </div>
      <Show when={danger()}>{(link) => <DangerousLink link={link()} onClose={() => setDanger(undefined)} />}</Show>
    </div>
  )
}
