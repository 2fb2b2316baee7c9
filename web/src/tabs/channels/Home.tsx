import { createEffect, createMemo, createResource, createSignal, For, on, Show, type JSX } from 'solid-js'
import { hoursOf, wishOf, type Channel } from '../../data/channel'
import { isOpen } from '../../data/intents'
import { ask, isRefused } from '../../data/service'
import type { PostSaid } from '../../net/interface'
import { Avatar } from '../../ui/Avatar'
import { useClient } from '../../ui/client'
import { Confirm, Dialog } from '../../ui/Dialog'
import { explain, orSay } from '../../ui/errors'
import { held } from '../../ui/held'
import { openPage, openRoom, pathOf, plainClick } from '../../ui/route'
import { say } from '../../ui/say'
import { dayAndClock, language, t } from '../../ui/settings'
import { Fresh, Pending, read } from '../services/Parts'
import { intentsOf, sight, watch } from '../services/sight'
import { sw } from '../services/words'
import { Linked } from './Linked'
import { Official } from './Official'
import { block, follow, intentName, laneOf, refuse, report, takeOver, talk, unblock, unfollow } from './wishes'
import { w } from './words'

type Asked = 'follow' | 'unfollow' | 'block' | 'report' | 'takeOver'

/** A channel's home: what it is, what one agreed to, and its posts. */
export function Home(props: { id: string }): JSX.Element {
  const client = useClient()
  const [asked, setAsked] = createSignal<Asked>()
  const channel = sight<Channel>(client, {
    look: () => ask(client.matrix, 'GET /_bongsu/v1/channels/{channel_id}', { channel_id: props.id }),
    pace: () => 60_000,
    name: `channel ${props.id}`,
  })
  const intents = intentsOf(client, () => laneOf(props.id), (done) => {
    if (done.what.endsWith('/conversation')) openRoom(String(done.answer?.['room_id']))
    if (done.what.endsWith('/report')) say(w().reported)
    channel.poke()
  })
  const isUnderWay = () => intents().some(isOpen)
  watch(client, (entries) => entries.some((entry) => entry.sender === channel.value()?.account) && channel.poke())
  createEffect(on(() => intents().filter((intent) => intent.state === 'failed').length, (count) => count > 0 && channel.poke()))
  const mine = () => channel.value()?.mine ?? {}
  const close = () => setAsked(undefined)
  return (
    <Show when={channel.value()} fallback={<Show when={isRefused(channel.error(), 404)} fallback={<Fresh of={channel} />}>{<p class="empty">{sw().errors['M_NOT_FOUND']}</p>}</Show>}>
      {(known) => (
        <>
          <section class="block channel-home">
            <div class="head">
              <Avatar media={client.media} id={known().account} name={known().name} uri={known().avatar ?? undefined} group size="large" />
              <div>
                <h2>{known().name}</h2>
                <Official channel={known()} withHint />
                <p class="quiet small">{w().followers(known().followers)}</p>
              </div>
            </div>
            <Show when={known().about}>
              <Linked text={known().about} />
            </Show>
            <Show when={known().closed_ts} fallback={<p class="small">{known().open_now ? w().openNow : w().shutNow}</p>}>
              <p class="wrong">{w().closed}</p>
            </Show>
            <Show when={known().hours.length > 0}>
              <p class="quiet small">
                {w().hours}: {hoursOf(known().hours, (day) => w().days[day]).join(' · ')}
              </p>
            </Show>
            <Show when={mine().blocked}>
              <p class="wrong">{w().isBlocked}</p>
            </Show>
            <Show when={mine().offered && !known().closed_ts}>
              <p>
                {w().offered}{' '}
                <button type="button" class="plain" disabled={isUnderWay()} onClick={() => setAsked('takeOver')}>
                  {w().takeOver}
                </button>
              </p>
            </Show>
            <Show when={mine().role}>
              <p>
                <a href={pathOf({ tab: 'services', page: ['manage', props.id] })} onClick={plainClick(() => openPage('manage', props.id))}>
                  {w().manage}
                </a>
              </p>
            </Show>
            <p class="choices">
              <Show when={!mine().blocked && !known().closed_ts}>
                <Show when={!mine().follow}>
                  <button type="button" class="strong" disabled={isUnderWay()} onClick={() => setAsked('follow')}>
                    {w().follow}
                  </button>
                </Show>
                <button type="button" class="plain" disabled={isUnderWay()} onClick={() => (mine().room_id ? openRoom(mine().room_id!) : talk(client, props.id))}>
                  {w().talk}
                </button>
              </Show>
              <Show when={mine().blocked} fallback={
                <button type="button" class="plain" disabled={isUnderWay()} onClick={() => setAsked('block')}>
                  {w().block}
                </button>
              }>
                <button type="button" class="plain" disabled={isUnderWay()} onClick={() => unblock(client, props.id)}>
                  {w().unblock}
                </button>
              </Show>
              <button type="button" class="plain" onClick={() => setAsked('report')}>
                {w().report}
              </button>
            </p>
            <Fresh of={channel} />
          </section>
          <Pending intents={intents()} nameOf={intentName} />
          <Show when={mine().follow}>
            <section class="block">
              <h3>{w().agreed}</h3>
              <ul class="agreed">
                <li>{w().gets.follow}</li>
                <Show when={mine().advertising}>
                  <li>
                    {w().gets.advertising}
                    <button type="button" class="plain" disabled={isUnderWay()} onClick={() => refuse(client, props.id)}>
                      {w().refuse}
                    </button>
                  </li>
                </Show>
                <Show when={mine().advertising_at_night}>
                  <li>{w().gets.advertising_at_night}</li>
                </Show>
              </ul>
              <p class="choices">
                <button type="button" class="plain" disabled={isUnderWay()} onClick={() => setAsked('follow')}>
                  {w().change}
                </button>
                <button type="button" class="plain" disabled={isUnderWay()} onClick={() => setAsked('unfollow')}>
                  {w().unfollow}
                </button>
              </p>
            </section>
          </Show>
          <Posts id={props.id} told={channel.okAt()} />
          <Show when={asked() === 'follow'}>
            <Agree channel={known()} onClose={close} />
          </Show>
          <Show when={asked() === 'unfollow'}>
            <Confirm title={w().unfollow} text={w().unfollowConfirm} action={w().unfollow} onClose={close} onYes={() => (unfollow(client, props.id), close())} />
          </Show>
          <Show when={asked() === 'block'}>
            <Confirm title={w().block} text={w().blockConfirm} action={w().block} onClose={close} onYes={() => (block(client, props.id), close())} />
          </Show>
          <Show when={asked() === 'takeOver'}>
            <Confirm title={w().takeOver} text={w().takeOverConfirm} action={w().takeOver} onClose={close} onYes={() => (takeOver(client, props.id), close())} />
          </Show>
          <Show when={asked() === 'report'}>
            <Report id={props.id} onClose={close} />
          </Show>
        </>
      )}
    </Show>
  )
}

/** Following, advertising and that at night are asked for apart, in the words that the ledger keeps. */
function Agree(props: { channel: Channel; onClose: () => void }): JSX.Element {
  const client = useClient()
  const mine = props.channel.mine ?? {}
  const [advertising, setAdvertising] = createSignal(mine.advertising === true)
  const [atNight, setAtNight] = createSignal(mine.advertising_at_night === true)
  const [texts] = createResource(() => ask(client.matrix, 'GET /_bongsu/v1/channels/consents/texts', {}))
  const said = createMemo(() => new Map((texts.error ? [] : (texts()?.texts ?? [])).map((text) => [text.consent, language() === 'ko' ? text.korean : text.english])))
  function send(event: SubmitEvent): void {
    event.preventDefault()
    follow(client, props.channel.channel_id, texts()!.text_version, wishOf(advertising(), atNight()))
    props.onClose()
  }
  return (
    <Dialog title={mine.follow ? w().change : w().follow} onClose={props.onClose}>
      <Show when={!texts.error} fallback={<p class="padded">{explain(texts.error)}</p>}>
        <Show when={texts()} fallback={<p class="padded">{t().loading}</p>}>
          <form class="form" onSubmit={send}>
            <label class="check">
              <input type="checkbox" required checked={mine.follow === true} />
              <span>
                {said().get('follow')} <span class="quiet small">({w().required})</span>
              </span>
            </label>
            <label class="check">
              <input type="checkbox" name="advertising" checked={advertising()} onChange={(event) => setAdvertising(event.currentTarget.checked)} />
              <span>{said().get('advertising')}</span>
            </label>
            <label class="check">
              <input type="checkbox" name="night" disabled={!advertising()} checked={advertising() && atNight()} onChange={(event) => setAtNight(event.currentTarget.checked)} />
              <span>{said().get('advertising_at_night')}</span>
            </label>
            <button class="strong wide">{mine.follow ? w().save : w().agree}</button>
          </form>
        </Show>
      </Show>
    </Dialog>
  )
}

function Report(props: { id: string; onClose: () => void }): JSX.Element {
  const client = useClient()
  function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): void {
    event.preventDefault()
    report(client, props.id, read(event.currentTarget)['reason'] ?? '')
    props.onClose()
  }
  return (
    <Dialog title={w().report} onClose={props.onClose}>
      <form class="form" onSubmit={send}>
        <p class="quiet">{w().reportHint}</p>
        <label class="field">
          <span>{w().what}</span>
          <textarea name="reason" required maxlength="500" rows="4" autofocus />
        </label>
        <button class="strong wide">{w().report}</button>
      </form>
    </Dialog>
  )
}

/** The newest first; older ones when they are asked for. */
function Posts(props: { id: string; told: number }): JSX.Element {
  const client = useClient()
  const [older, setOlder] = createSignal<{ posts: PostSaid[]; next: string | undefined }>()
  const page = (from?: string) => ask(client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/posts', { channel_id: props.id }, { limit: '20', ...(from && { from }) })
  const [newest] = createResource(() => [props.id, props.told] as const, () => page())
  const first = () => (newest.error ? undefined : newest.latest)
  const next = () => (older() ? older()!.next : (first()?.next_batch ?? undefined))
  const more = async () => {
    const found = await page(next())
    setOlder({ posts: [...(older()?.posts ?? []), ...found.posts], next: found.next_batch ?? undefined })
  }
  const all = createMemo(() => {
    const seen = new Set<string>()
    return [...(first()?.posts ?? []), ...(older()?.posts ?? [])].filter((post) => !seen.has(post.post_id) && seen.add(post.post_id))
  })
  const ids = createMemo(() => all().map((post) => post.post_id))
  const byId = createMemo(() => new Map(all().map((post) => [post.post_id, post])))
  return (
    <section aria-label={w().posts}>
      <h2>{w().posts}</h2>
      <ul class="posts">
        <For each={ids()} fallback={<li class="empty">{first() ? w().noPosts : t().loading}</li>}>
          {(id) => <Post find={() => byId().get(id)} />}
        </For>
      </ul>
      <Show when={next()}>
        <button type="button" class="plain" onClick={() => orSay(more())}>
          {w().more}
        </button>
      </Show>
    </section>
  )
}

function Post(props: { find: () => PostSaid | undefined }): JSX.Element {
  const client = useClient()
  const post = createMemo<PostSaid>((before) => props.find() ?? before!, props.find()!)
  const picture = held(client.media, () => post().picture ?? undefined)
  return (
    <li class="block">
      <Show when={post().title}>
        <h3>{post().title}</h3>
      </Show>
      <Linked text={post().body} />
      <Show when={picture.address()}>{(address) => <img class="post-picture" src={address()} alt="" loading="lazy" onError={picture.lose} />}</Show>
      <p class="quiet small">
        {dayAndClock(post().made_ts)}
        <Show when={post().edited_ts}> · {w().edited}</Show>
      </p>
    </li>
  )
}
