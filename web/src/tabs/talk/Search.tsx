import { createEffect, createSignal, For, on, onCleanup, Show, type JSX } from 'solid-js'
import { together } from '../../data/finding'
import { memberName, partner, roomAvatar, roomName } from '../../data/rooms'
import type { Entry, Room } from '../../data/types'
import { Avatar } from '../../ui/Avatar'
import { useClient } from '../../ui/client'
import { Dialog } from '../../ui/Dialog'
import { explain } from '../../ui/errors'
import { later } from '../../ui/later'
import { summary } from '../../ui/phrases'
import { say } from '../../ui/say'
import { shortTime, t } from '../../ui/settings'
import './talk.css'
import { w } from './words'

const WAIT_MS = 250

interface Props {
  /** in this one alone */
  room?: Room
  onClose: () => void
  onJump: (room: string, event?: string) => void
}

/** Looks for messages: what the server has, and what this device has seen; without a network that alone. */
export default function Search(props: Props): JSX.Element {
  const client = useClient()
  const [words, setWords] = createSignal('')
  const [found, setFound] = createSignal<Entry[]>([])
  const [next, setNext] = createSignal<string>()
  const [state, setState] = createSignal<'idle' | 'busy' | 'done' | 'here'>('idle')
  const typed = later((text: string) => setWords(text.trim()), WAIT_MS)

  /** Of one room at once what is here; of all rooms what no server can find, and all when none answers. */
  async function local(wanted: string, isAlone: boolean): Promise<Entry[]> {
    if (props.room || isAlone) return client.past.findHere(wanted, props.room)
    const lists = client.rooms().filter((room) => room.encrypted && room.membership === 'join')
    return (await Promise.all(lists.map((room) => client.past.findHere(wanted, room)))).flat()
  }
  async function look(wanted: string, isCurrent: () => boolean): Promise<void> {
    const here = await local(wanted, false)
    if (isCurrent()) setFound(here)
    const there = await client.past.findThere(wanted, props.room?.id)
    const all = there ? together(there.entries, here) : await local(wanted, true)
    if (!isCurrent()) return
    setFound(all)
    setNext(there?.next)
    setState(there ? 'done' : 'here')
  }
  async function more(): Promise<void> {
    const page = await client.past.findThere(words(), props.room?.id, next()).catch(() => undefined)
    if (!page) return say(w().listNotLoaded)
    setFound(together(found(), page.entries))
    setNext(page.next)
  }
  createEffect(
    on(words, (wanted) => {
      let isCurrent = true
      onCleanup(() => (isCurrent = false))
      setNext(undefined)
      setState(wanted ? 'busy' : 'idle')
      if (!wanted) return setFound([])
      look(wanted, () => isCurrent).catch((error) => isCurrent && (setState('done'), say(explain(error))))
    }),
  )
  const told = () => {
    if (state() === 'idle') return ''
    if (state() === 'busy') return w().searching
    if (state() === 'here') return w().foundHere(found().length)
    return found().length === 0 ? w().foundNothing : next() ? w().foundMore(found().length) : w().found(found().length)
  }
  return (
    <Dialog kind="page" title={props.room ? w().searchRoom : w().searchAll} onClose={props.onClose}>
      <div class="finder">
        <input type="search" autofocus placeholder={t().search} aria-label={t().search} onInput={(event) => typed(event.currentTarget.value)} />
        <p class="hint" role="status">
          {told()}
        </p>
      </div>
      <div class="scroll">
        <Show when={!props.room && words()}>
          <Rooms words={words()} onOpen={(room) => props.onJump(room)} />
        </Show>
        <ul>
          <For each={found()}>
            {(entry) => (
              <Show when={props.room ?? client.room(entry.room)}>{(room) => <Hit entry={entry} room={room()} isNamed={!props.room} onOpen={() => props.onJump(entry.room, entry.id)} />}</Show>
            )}
          </For>
        </ul>
        <Show when={next()}>
          <p class="padded">
            <button type="button" class="plain wide" onClick={() => void more()}>
              {w().more}
            </button>
          </p>
        </Show>
      </div>
    </Dialog>
  )
}

function Hit(props: { entry: Entry; room: Room; isNamed: boolean; onOpen: () => void }): JSX.Element {
  const client = useClient()
  const name = () => memberName(props.room, props.entry.sender)
  return (
    <li>
      <button type="button" class="entry" onClick={() => props.onOpen()}>
        <Avatar media={client.media} id={props.entry.sender} name={name()} uri={props.room.members[props.entry.sender]?.avatar} />
        <span class="what">
          <span class="name">
            <span>{name()}</span>
            <Show when={props.isNamed}>
              <span class="quiet small">{roomName(props.room, client.me, client.account) || t().emptyRoom}</span>
            </Show>
          </span>
          <span class="line">{summary(props.entry.type, props.entry.content)}</span>
        </span>
        <span class="side">
          <time>{shortTime(props.entry.ts)}</time>
        </span>
      </button>
    </li>
  )
}

const ROOMS_MAX = 5

/** Chats whose name has the words. */
function Rooms(props: { words: string; onOpen: (room: string) => void }): JSX.Element {
  const client = useClient()
  const normal = (text: string) => text.normalize('NFC').toLocaleLowerCase()
  const name = (room: Room) => roomName(room, client.me, client.account)
  const found = () => client.rooms().filter((room) => room.membership === 'join' && normal(name(room)).includes(normal(props.words))).slice(0, ROOMS_MAX)
  return (
    <Show when={found().length > 0}>
      <h3 class="heading">{w().rooms}</h3>
      <ul>
        <For each={found()}>
          {(room) => (
            <li>
              <button type="button" class="entry" onClick={() => props.onOpen(room.id)}>
                <Avatar media={client.media} id={partner(room, client.account) ?? room.id} name={name(room)} uri={roomAvatar(room, client.account)} group={!partner(room, client.account)} />
                <span class="what">
                  <span class="name">
                    <span>{name(room)}</span>
                  </span>
                </span>
              </button>
            </li>
          )}
        </For>
      </ul>
      <h3 class="heading">{w().messages}</h3>
    </Show>
  )
}
