import { createEffect, createMemo, createSignal, Match, on, Show, Switch, type JSX } from 'solid-js'
import { isUnread, nextWaiting, withShown, type Shown, type Talk } from '../../../data/channelDesk'
import { ask, isRefused } from '../../../data/service'
import type { SettingsSaid, Staff } from '../../../net/interface'
import { Icon } from '../../../ui/Icon'
import { pathOf, plainClick, openPage } from '../../../ui/route'
import { say, speak } from '../../../ui/say'
import { isOpen, type SectionProps, type Shop } from '../../manage/shop'
import { Fresh, Pending, Views } from '../../services/Parts'
import { intentsOf, sight, ticking, type Sight } from '../../services/sight'
import { Conversation } from './Conversation'
import { Figures } from './Figures'
import { Hours } from './Hours'
import { List } from './List'
import { shortcuts, Shortcuts } from './keys'
import { customerName, openDesk, type Place, type Sent } from './place'
import { intentName, isOfReplies, isOfSettings, laneOf } from './wishes'
import { w } from './words'
import './desk.css'

const QUEUE_MS = 3_000
const SHOWN_DAYS = 90
const DAY_MS = 86_400_000

/** Those who wait, and one's own; looked at all the time. */
export interface Queue {
  waiting: Talk[]
  mine: Talk[]
  /** more wait than these */
  hasMore: boolean
  now: number
}

type View = 'talks' | 'hours' | 'figures'

/** Where a channel's agents talk with customers. */
export default function Desk(props: SectionProps): JSX.Element {
  const { shop } = props
  const queue = queueOf(shop)
  const [shown, saw] = shownOf(shop)
  const place = placeOf(shop, queue, saw)
  const view = (): View => (props.ids[0] === 'hours' || props.ids[0] === 'figures' ? props.ids[0] : 'talks')
  const open = () => (props.ids[0] === 'talk' ? props.ids[1] : undefined)
  const [isHelping, setHelping] = createSignal(false)
  const next = () => {
    const id = nextWaiting(queue.value()?.waiting ?? [], open())
    if (id) openDesk(shop.id, 'talk', id)
  }
  shortcuts({ n: next, '?': () => setHelping(true) })
  const news = createMemo(() => (queue.value()?.waiting.length ?? 0) + (queue.value()?.mine ?? []).filter((talk) => isUnread(talk, shown())).length)
  return (
    <div class="cdesk" classList={{ 'cdesk-in-talk': open() !== undefined }}>
      <div class="cdesk-top">
        <Head place={place} queue={queue} />
        <Views
          label={w().title}
          now={view()}
          onPick={(picked) => (picked === 'talks' ? openDesk(shop.id) : openDesk(shop.id, picked))}
          views={[
            { name: 'talks', text: w().sections.talks, ...(news() > 0 && { count: news() }) },
            { name: 'hours', text: w().sections.hours },
            { name: 'figures', text: w().sections.figures },
          ]}
        />
        <p class="cdesk-tools">
          <button type="button" class="plain" disabled={(queue.value()?.waiting.length ?? 0) === 0} onClick={next}>
            {w().next}
          </button>
          <button type="button" class="round" aria-label={w().shortcuts} title={w().shortcuts} onClick={() => setHelping(true)}>
            <Icon name="info" />
          </button>
        </p>
      </div>
      <Told place={place} />
      <Switch>
        <Match when={view() === 'hours'}>
          <Hours place={place} />
        </Match>
        <Match when={view() === 'figures'}>
          <Figures place={place} waiting={queue.value()?.waiting ?? []} />
        </Match>
        <Match when={view() === 'talks'}>
          <div class="cdesk-split">
            <List place={place} queue={queue} shown={shown()} open={open()} />
            <Show when={open()} fallback={<Nothing />} keyed>
              {(id) => <Conversation place={place} id={id} />}
            </Show>
          </div>
        </Match>
      </Switch>
      <Show when={isHelping()}>
        <Shortcuts onClose={() => setHelping(false)} />
      </Show>
    </div>
  )
}

function Head(props: { place: Place; queue: Sight<Queue> }): JSX.Element {
  const { shop, settings } = props.place
  const page = ['manage', shop.id]
  return (
    <div class="cdesk-head">
      <a class="round" href={pathOf({ tab: 'services', page })} aria-label={w().toChannel} onClick={plainClick(() => openPage(...page))}>
        <Icon name="back" />
      </a>
      <h1>{shop.channel().name}</h1>
      <Show when={settings.value()}>{(known) => <span class="tag">{known().open_now ? w().open : w().shut}</span>}</Show>
      <Fresh of={props.queue} />
    </div>
  )
}

/** What holds for the whole desk, and what is not settled there. */
function Told(props: { place: Place }): JSX.Element {
  const beside = createMemo(() => props.place.intents().filter((intent) => isOfReplies(intent) || isOfSettings(intent)))
  return (
    <>
      <Show when={!isOpen(props.place.shop)}>
        <p class="wrong cdesk-told">{w().closedChannel}</p>
      </Show>
      <div class="cdesk-told">
        <Pending intents={beside()} nameOf={intentName} errors={w().errors} />
      </div>
    </>
  )
}

const Nothing = (): JSX.Element => (
  <div class="cdesk-talk cdesk-nothing">
    <p class="empty">
      <strong>{w().nothingOpen}</strong>
      {w().nothingOpenHint}
    </p>
  </div>
)

function queueOf(shop: Shop): Sight<Queue> {
  const of = { channel_id: shop.id }
  const some = (query: { state?: string; agent?: string }) => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/desk/conversations', of, { ...query, limit: '100' })
  const queue = sight<Queue>(shop.client, {
    look: async () => {
      const [waiting, mine] = await Promise.all([some({ state: 'waiting' }), some({ agent: shop.client.me })])
      return { waiting: waiting.conversations, mine: mine.conversations, hasMore: waiting.next_batch != null, now: waiting.now }
    },
    pace: () => QUEUE_MS,
    name: `desk queue ${shop.id}`,
  })
  createEffect(() => isRefused(queue.error(), 403) && shop.poke()) // whoever works here no more is told so
  createEffect(on(queue.value, (now, before) => before && now && tellNew(before.waiting, now.waiting)))
  return queue
}

/** A reader hears of who waits and was not there before. */
function tellNew(before: readonly Talk[], now: readonly Talk[]): void {
  const known = new Set(before.map((talk) => talk.conversation_id))
  for (const talk of now) if (!known.has(talk.conversation_id)) speak(w().newWaiting(customerName(talk)))
}

/** What this device has shown, and how to say that more was. */
function shownOf(shop: Shop): [() => Shown, (talk: string, newest: number) => void] {
  const name = `desk shown ${shop.id}`
  const [shown, setShown] = createSignal<Shown>({ since: Date.now(), at: {} })
  const until = () => Date.now() + SHOWN_DAYS * DAY_MS
  void shop.client.sights.last<Shown>(name).then((kept) => {
    if (kept) setShown(kept.value)
    else return shop.client.sights.keep(name, shown(), until())
  })
  const saw = (talk: string, newest: number) => {
    const after = withShown(shown(), talk, newest)
    if (after === shown()) return
    setShown(after)
    void shop.client.sights.keep(name, after, until()).catch(() => {})
  }
  return [shown, saw]
}

function placeOf(shop: Shop, queue: Sight<Queue>, saw: Place['saw']): Place {
  const of = { channel_id: shop.id }
  const tick = ticking()
  const [done, setDone] = createSignal(0)
  const [sent, setSent] = sentOf(shop)
  const settings = sight<SettingsSaid>(shop.client, { look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/desk', of), pace: () => 60_000, name: `desk settings ${shop.id}` })
  const staff = sight<{ staff: Staff[] }>(shop.client, { look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/staff', of), pace: () => 120_000, name: `desk staff ${shop.id}` })
  const intents = intentsOf(shop.client, () => laneOf(shop.id), (intent) => {
    const messageId = intent.answer?.['message_id']
    const talk = / talk (\S+) $/.exec(intent.lane)?.[1]
    if (talk && typeof messageId === 'string') setSent((before) => [...before, { talk, messageId, body: String(intent.body?.['body'] ?? ''), at: Date.now(), isRefused: false }])
    if (isOfSettings(intent)) {
      say(w().saved)
      settings.poke()
      shop.poke()
    }
    queue.poke()
    setDone((count) => count + 1)
  })
  return { shop, settings, staff: () => staff.value()?.staff ?? [], intents, sent, setSent, now: () => tick() + queue.skew(), done, saw }
}

/** Kept on disk: what is on its way is on its way after a reload, too. */
function sentOf(shop: Shop): [() => Sent[], Place['setSent']] {
  const name = `desk sent ${shop.id}`
  const [sent, set] = createSignal<Sent[]>([])
  void shop.client.sights.last<Sent[]>(name).then((kept) => kept && set((before) => [...kept.value, ...before]))
  const setSent: Place['setSent'] = (next) => {
    const after = next(sent())
    if (after === sent()) return
    set(after)
    void shop.client.sights.keep(name, after).catch(() => {})
  }
  return [sent, setSent]
}
