import { createEffect, createSignal, For, on, onCleanup, Show, type JSX } from 'solid-js'
import type { Channel } from '../../data/channel'
import { ask } from '../../data/service'
import { Avatar } from '../../ui/Avatar'
import { useClient } from '../../ui/client'
import { openPage } from '../../ui/route'
import { t } from '../../ui/settings'
import type { PageProps } from '../pages'
import { Fresh } from '../services/Parts'
import { sight } from '../services/sight'
import { Home } from './Home'
import { Official } from './Official'
import { w } from './words'

const TYPED_MS = 300

/** Channels that one follows, or finds; with a channel's id, its home. */
export function Channels(props: PageProps): JSX.Element {
  return (
    <div class="service">
      <div class="scroll">
        <div class="stack">
          <Show when={props.ids[0]} fallback={<Listed />} keyed>
            {(id) => <Home id={id} />}
          </Show>
        </div>
      </div>
    </div>
  )
}

function Listed(): JSX.Element {
  const client = useClient()
  const [words, setWords] = createSignal('')
  const followed = sight<{ channels: Channel[] }>(client, {
    look: () => ask(client.matrix, 'GET /_bongsu/v1/channels/following', {}, { limit: '500' }),
    pace: () => 60_000,
    name: 'channels',
  })
  const blocked = sight<{ channels: Channel[] }>(client, { look: () => ask(client.matrix, 'GET /_bongsu/v1/channels/blocked', {}, { limit: '500' }), pace: () => 300_000 })
  let timer: ReturnType<typeof setTimeout>
  const typed = (text: string) => {
    clearTimeout(timer)
    timer = setTimeout(() => setWords(text.trim()), TYPED_MS)
  }
  onCleanup(() => clearTimeout(timer))
  return (
    <>
      <input type="search" placeholder={w().find} aria-label={w().find} onInput={(event) => typed(event.currentTarget.value)} />
      <Show
        when={words()}
        fallback={
          <>
            <Fresh of={followed} />
            <List title={w().following} channels={followed.value()?.channels} none={w().none} hint={w().noneHint} />
            <Show when={(blocked.value()?.channels.length ?? 0) > 0}>
              <List title={w().blocked} channels={blocked.value()?.channels} none="" />
            </Show>
          </>
        }
      >
        <Found words={words()} />
      </Show>
    </>
  )
}

function Found(props: { words: string }): JSX.Element {
  const client = useClient()
  const found = sight<{ channels: Channel[] }>(client, {
    look: () => ask(client.matrix, 'GET /_bongsu/v1/channels', {}, { search: props.words, limit: '50' }),
    pace: () => 120_000,
  })
  createEffect(on(() => props.words, () => found.poke(), { defer: true }))
  return (
    <>
      <Fresh of={found} />
      <List title={w().found} channels={found.value()?.channels} none={w().nobody} />
    </>
  )
}

function List(props: { title: string; channels: Channel[] | undefined; none: string; hint?: string }): JSX.Element {
  const client = useClient()
  return (
    <section aria-label={props.title}>
      <h2>{props.title}</h2>
      <ul class="channels">
        <For
          each={props.channels ?? []}
          fallback={
            <li class="empty">
              <Show when={props.channels} fallback={t().loading}>
                <strong>{props.none}</strong>
                {props.hint}
              </Show>
            </li>
          }
        >
          {(channel) => (
            <li>
              <button type="button" class="entry" onClick={() => openPage('channels', channel.channel_id)}>
                <Avatar media={client.media} id={channel.account} name={channel.name} uri={channel.avatar ?? undefined} group />
                <span class="what">
                  <span class="name">
                    <span>{channel.name}</span> <Official channel={channel} />
                  </span>
                  <span class="line">{channel.about || w().followers(channel.followers)}</span>
                </span>
              </button>
            </li>
          )}
        </For>
      </ul>
    </section>
  )
}
