import { createEffect, createMemo, createSignal, For, on, onCleanup, Show, type JSX } from 'solid-js'
import { clockOf } from '../../../data/board'
import { isUnread, urgencyOf, waitedOf, type Shown, type Talk } from '../../../data/channelDesk'
import { ask } from '../../../data/service'
import { Avatar } from '../../../ui/Avatar'
import { pathOf, plainClick } from '../../../ui/route'
import { shortTime, t } from '../../../ui/settings'
import { Views } from '../../services/Parts'
import { sight, type Sight } from '../../services/sight'
import type { Queue } from './Desk'
import { shortcuts } from './keys'
import { customerName, nameOf, openDesk, type Place } from './place'
import { w } from './words'

const TYPED_MS = 300
const STEP = 100
const MOST = 500

type View = 'waiting' | 'mine' | 'all' | 'ended'
type Query = { state?: string; agent?: string; search?: string }

// They outlive the list: whoever comes back finds it as it was.
const [view, setView] = createSignal<View>('waiting')
const [filter, setFilter] = createSignal('')

const filtered = (picked: string): Query => (picked.startsWith('@') ? { agent: picked } : picked ? { state: picked } : {})

/** Who waits, one's own, all, or those that have ended; or whom one looks for. */
export function List(props: { place: Place; queue: Sight<Queue>; shown: Shown; open: string | undefined }): JSX.Element {
  const [words, setWords] = createSignal('')
  let finder!: HTMLInputElement
  let timer: ReturnType<typeof setTimeout>
  const typed = (text: string) => {
    clearTimeout(timer)
    timer = setTimeout(() => setWords(text.trim()), TYPED_MS)
  }
  onCleanup(() => clearTimeout(timer))
  shortcuts({ '/': () => finder.focus() })
  const query = createMemo<string | undefined>(() => {
    if (words()) return JSON.stringify({ search: words() } satisfies Query)
    if (view() === 'all') return JSON.stringify(filtered(filter()))
    return view() === 'ended' ? JSON.stringify({ state: 'closed' } satisfies Query) : undefined
  })
  const own = () => (view() === 'waiting' ? props.queue.value()?.waiting : props.queue.value()?.mine)
  return (
    <section class="cdesk-list" aria-label={w().sections.talks}>
      <div class="cdesk-find">
        <input ref={finder} type="search" placeholder={w().find} aria-label={w().find} maxlength="100" onInput={(event) => typed(event.currentTarget.value)} />
      </div>
      <Show when={!words()}>
        <Views
          label={w().viewsLabel}
          now={view()}
          onPick={setView}
          views={[
            props.queue.value()?.hasMore ? { name: 'waiting', text: `${w().views.waiting} 100+` } : { name: 'waiting', text: w().views.waiting, count: props.queue.value()?.waiting.length ?? 0 },
            { name: 'mine', text: w().views.mine, count: props.queue.value()?.mine.length ?? 0 },
            { name: 'all', text: w().views.all },
            { name: 'ended', text: w().views.ended },
          ]}
        />
        <Show when={view() === 'all'}>
          <div class="cdesk-find">
            <Filter place={props.place} />
          </div>
        </Show>
      </Show>
      <Show when={query()} fallback={<Rows {...props} talks={own()} view={view()} />} keyed>
        {(asked) => <Asked {...props} query={asked} view={words() ? 'found' : view()} />}
      </Show>
    </section>
  )
}

function Filter(props: { place: Place }): JSX.Element {
  const agents = () => props.place.staff().filter((one) => one.role !== 'editor')
  return (
    <select aria-label={w().filter} value={filter()} onChange={(event) => setFilter(event.currentTarget.value)}>
      <option value="">{w().filters.everybody}</option>
      <option value="waiting">{w().filters.waiting}</option>
      <option value="bot">{w().filters.bot}</option>
      <For each={agents()}>{(one) => <option value={one.user_id}>{w().has(nameOf(props.place, one.user_id))}</option>}</For>
    </select>
  )
}

interface RowsProps {
  place: Place
  shown: Shown
  open: string | undefined
}

/** What the server finds by a query; more of it when it is asked for. */
function Asked(props: RowsProps & { query: string; view: View | 'found' }): JSX.Element {
  const { shop, done } = props.place
  const [limit, setLimit] = createSignal(STEP)
  const found = sight<{ conversations: Talk[]; next_batch?: string | null }>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/desk/conversations', { channel_id: shop.id }, { ...(JSON.parse(props.query) as Query), limit: String(limit()) }),
    pace: () => 5_000,
    ...(props.view !== 'found' && { name: `desk list ${shop.id} ${props.query}` }),
  })
  createEffect(on([limit, done], () => found.poke(), { defer: true }))
  const hasMore = () => found.value()?.next_batch != null && limit() < MOST
  return (
    <>
      <Show when={props.view === 'found' && found.value()}>
        {(known) => (
          <p class="cdesk-find quiet small" role="status">
            {w().found(`${known().conversations.length}${known().next_batch ? '+' : ''}`)}
          </p>
        )}
      </Show>
      <Rows {...props} talks={found.value()?.conversations} onMore={hasMore() ? () => setLimit(limit() + STEP) : undefined} />
    </>
  )
}

function Rows(props: RowsProps & { talks: Talk[] | undefined; view: View | 'found'; onMore?: (() => void) | undefined }): JSX.Element {
  const ids = createMemo(() => (props.talks ?? []).map((talk) => talk.conversation_id))
  const byId = createMemo(() => new Map((props.talks ?? []).map((talk) => [talk.conversation_id, talk])))
  return (
    <div class="cdesk-rows">
      <ul>
        <For
          each={ids()}
          fallback={
            <li class="empty">
              <Show when={props.talks} fallback={t().loading}>
                <strong>{w().empty[props.view]}</strong>
                {w().emptyHint[props.view]}
              </Show>
            </li>
          }
        >
          {(id) => <Row {...props} id={id} find={() => byId().get(id)} />}
        </For>
      </ul>
      <Show when={props.onMore}>
        <p class="choices">
          <button type="button" class="plain" onClick={() => props.onMore?.()}>
            {w().more}
          </button>
        </p>
      </Show>
    </div>
  )
}

function Row(props: RowsProps & { id: string; find: () => Talk | undefined }): JSX.Element {
  const talk = createMemo<Talk>((before) => props.find() ?? before!, props.find()!)
  const { shop } = props.place
  const page = () => ['manage', shop.id, 'desk', 'talk', props.id]
  const waited = () => waitedOf(talk(), props.place.now())
  const isNew = () => isUnread(talk(), props.shown) && props.open !== props.id
  return (
    <li>
      <a
        class="entry cdesk-row"
        classList={{ [urgencyOf(waited())]: true, unread: isNew() }}
        href={pathOf({ tab: 'services', page: page() })}
        aria-current={props.open === props.id ? 'true' : undefined}
        onClick={plainClick(() => openDesk(shop.id, 'talk', props.id))}
      >
        <Avatar media={shop.client.media} id={talk().customer} name={customerName(talk())} />
        <span class="what">
          <span class="name">
            <span>{customerName(talk())}</span>
          </span>
          <span class="line">{lineOf(talk())}</span>
          <Standing talk={talk()} place={props.place} />
        </span>
        <span class="side">
          <Show when={waited() !== undefined} fallback={<time>{shortTime(talk().newest_ts)}</time>}>
            <span class="tick cdesk-waited">
              <span class="unseen">{w().waits(clockOf(waited()!))}</span>
              <span aria-hidden="true">{clockOf(waited()!)}</span>
            </span>
          </Show>
          <Show when={isNew()}>
            <span class="cdesk-dot">
              <span class="unseen">{w().unread}</span>
            </span>
          </Show>
        </span>
      </a>
    </li>
  )
}

function lineOf({ newest }: Talk): string {
  if (!newest) return ''
  const body = newest.sealed ? w().sealedLine : newest.body
  return newest.sender === 'channel' ? `${w().you}: ${body}` : (body ?? '')
}

/** Who has it, or why nobody does. */
export function Standing(props: { talk: Talk; place: Place }): JSX.Element {
  const text = () => {
    const { state, agent } = props.talk
    if (state === 'open' && agent) return agent === props.place.shop.client.me ? w().hasMe : w().has(nameOf(props.place, agent))
    return state === 'waiting' ? w().waiting : state === 'bot' ? w().withBot : w().ended
  }
  return (
    <span class="tag" classList={{ warm: props.talk.state === 'waiting', own: props.talk.agent === props.place.shop.client.me }}>
      {text()}
    </span>
  )
}
