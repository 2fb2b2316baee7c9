import { createEffect, createMemo, createSignal, For, Match, on, onCleanup, onMount, Show, Switch, untrack, type JSX } from 'solid-js'
import { monthStart, months, SHELVES, type Shelf, type Thing } from '../../data/drawer'
import type { Gathering } from '../../data/gathering'
import { LARGE } from '../../data/media'
import { chatList, memberName, roomName } from '../../data/rooms'
import type { Room } from '../../data/types'
import { clockOf } from '../../data/voice'
import { Blur } from '../../ui/Blur'
import { useClient } from '../../ui/client'
import { Dialog } from '../../ui/Dialog'
import { orSay } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import { later } from '../../ui/later'
import { live } from '../../ui/live'
import { Nearby } from '../../ui/nearby'
import { PictureButton } from '../../ui/Picture'
import { openRoom } from '../../ui/route'
import { dayAndClock, month, shortTime, t } from '../../ui/settings'
import { FileCard } from '../MessageRow'
import Player from './Player'
import Viewer, { type Photo } from './Viewer'
import { words } from './words'
import './drawer.css'

const TYPED_MS = 300

interface Props {
  /** of this room alone; else of all of them */
  room?: Room
  /** Shows an event in its room. */
  onJump?: (event: string) => void
}

/** Photos, videos, files and links: of all rooms or one, by month, from this device and from the server. */
export default function Drawer(props: Props): JSX.Element {
  const client = useClient()
  const known = live(client, 'rooms', () => chatList(client.rooms()).filter((room) => room.membership === 'join'))
  const joined = createMemo(() => known().map((room) => room.id).toSorted().join(' ')) // a message changes nothing here
  const all = createMemo(on(joined, () => untrack(known)))
  const [shelf, setShelf] = createSignal<Shelf>('photos')
  const [chosenRoom, setChosenRoom] = createSignal('')
  const [sought, setSought] = createSignal('')
  const [view, setView] = createSignal<{ things: readonly Thing[]; state: Gathering['state']; isWhole: boolean }>({ things: [], state: 'loading', isWhole: false })
  const [photo, setPhoto] = createSignal<string>()
  const [film, setFilm] = createSignal<Thing>()
  const [picked, setPicked] = createSignal<ReadonlySet<string>>()
  let gathering: Gathering | undefined

  const rooms = createMemo(() => (props.room ? [props.room] : all().filter((room) => !chosenRoom() || room.id === chosenRoom())))
  createEffect(
    on([shelf, rooms, sought], () => {
      gathering?.end()
      setPicked(undefined)
      const one: Gathering = client.past.gather(rooms(), shelf(), sought(), () => setView({ things: one.things, state: one.state, isWhole: one.isWhole }))
      gathering = one
      setView({ things: [], state: 'loading', isWhole: false })
      orSay(one.begin())
    }),
  )
  onCleanup(client.on('health', () => view().state === 'cut' && client.health.kind === 'normal' && void gathering?.more()))
  onCleanup(() => gathering?.end())
  const list = createMemo(() => months(view().things))
  const who = (thing: Thing) => memberName(client.room(thing.room), thing.sender)
  const photos = createMemo(() => view().things.flatMap((thing): Photo[] => (thing.media?.kind === 'image' ? [{ id: thing.id, media: thing.media, who: who(thing) }] : [])).reverse())
  const show = (thing: Thing) => (props.onJump ? props.onJump(thing.id) : openRoom(thing.room, thing.id))
  const press = (thing: Thing) => {
    const before = picked()
    if (before) return setPicked(new Set(before.has(thing.id) ? [...before].filter((id) => id !== thing.id) : [...before, thing.id]))
    if (thing.media?.kind === 'video') setFilm(thing)
    else setPhoto(thing.id)
  }
  async function save(): Promise<void> {
    const chosen = view().things.filter((thing) => picked()?.has(thing.id))
    setPicked(undefined)
    for (const { media } of chosen) if (media) await client.media.save(media.uri, media.name)
  }
  const typed = later((text: string) => setSought(text.trim()), TYPED_MS)
  const isGrid = () => shelf() === 'photos' || shelf() === 'videos'
  return (
    <div class="drawer">
      <div class="switches" role="group" aria-label={words().drawer}>
        <For each={SHELVES}>
          {(name) => (
            <button type="button" aria-pressed={shelf() === name} onClick={() => setShelf(name)}>
              {words().kinds[name]}
            </button>
          )}
        </For>
      </div>
      <div class="finder">
        <input type="search" placeholder={words().find} aria-label={words().find} onInput={(event) => typed(event.currentTarget.value)} />
        <Show when={!props.room}>
          <select aria-label={words().room} onChange={(event) => setChosenRoom(event.currentTarget.value)}>
            <option value="">{words().allRooms}</option>
            <For each={all()}>{(room) => <option value={room.id}>{roomName(room, client.me, client.account) || t().emptyRoom}</option>}</For>
          </select>
        </Show>
        <Show when={isGrid() && view().things.length > 0}>
          <button type="button" class="plain" aria-pressed={picked() !== undefined} onClick={() => setPicked(picked() ? undefined : new Set<string>())}>
            {picked() ? words().cancel : words().choose}
          </button>
        </Show>
      </div>
      <Show when={view().state === 'cut'}>
        <p class="notice" role="status">
          {words().keptOnly}{' '}
          <button type="button" onClick={() => void gathering?.more()}>
            {words().again}
          </button>
        </p>
      </Show>
      <Shelves
        months={list()}
        isGrid={isGrid()}
        need={(ts) => gathering?.need(ts)}
        end={
          <Show when={view().things.length > 0 || view().state === 'loading'} fallback={<p class="empty">{sought() ? words().notFound : words().empty}</p>}>
            <p class="end" role="status">
              {view().state === 'loading' ? words().loading : ''}
            </p>
          </Show>
        }
        onEnd={() => view().state === 'idle' && !view().isWhole && void gathering?.more()}
        thing={(thing, near) => (
          <Switch fallback={<LinkRow thing={thing} who={who(thing)} onShow={() => show(thing)} />}>
            <Match when={isGrid() && thing.media}>
              <Cell thing={thing} who={who(thing)} near={near} picked={picked()?.has(thing.id)} onPress={() => press(thing)} />
            </Match>
            <Match when={thing.media}>
              <FileRow thing={thing} who={who(thing)} onShow={() => show(thing)} />
            </Match>
          </Switch>
        )}
      />
      <Show when={picked()?.size}>
        {(count) => (
          <div class="foot">
            <button type="button" class="strong wide" onClick={() => orSay(save())}>
              {words().chosen(count())}
            </button>
          </div>
        )}
      </Show>
      <Show when={photo()}>{(id) => <Viewer photos={photos()} start={id()} onOlder={() => view().state === 'idle' && !view().isWhole && void gathering?.more()} onClose={() => setPhoto(undefined)} />}</Show>
      <Show when={film()}>
        {(thing) => (
          <Dialog kind="page" title={thing().media!.name || t().video} onClose={() => setFilm(undefined)}>
            <div class="padded only">
              <Player media={thing().media!} />
            </div>
          </Dialog>
        )}
      </Show>
    </div>
  )
}

interface ShelvesProps {
  months: readonly { key: string; ts: number; things: Thing[] }[]
  isGrid: boolean
  need: (ts: number) => void
  end: JSX.Element
  onEnd: () => void
  thing: (thing: Thing, near: Nearby) => JSX.Element
}

/** What scrolls. A month that comes into view is to be complete; the end asks for more. */
function Shelves(props: ShelvesProps): JSX.Element {
  const [near, setNear] = createSignal<Nearby>()
  let scroll!: HTMLDivElement
  let end!: HTMLDivElement
  onMount(() => {
    const nearby = new Nearby(scroll)
    setNear(nearby)
    const isEnd = nearby.is(end)
    createEffect(() => {
      props.months.length // after each page the end is looked at again
      if (isEnd()) props.onEnd()
    })
  })
  const keys = createMemo(() => props.months.map((one) => one.key))
  return (
    <div class="scroll" ref={scroll} tabindex="-1">
      <Show when={near()}>
        {(nearby) => (
          <For each={keys()}>
            {(key) => {
              const group = () => props.months.find((one) => one.key === key)
              const start = monthStart(group()!.ts)
              return (
                <section aria-label={month(start)} ref={(element) => nearby().watch(element, (is) => is && props.need(start))}>
                  <h3 class="heading">{month(start)}</h3>
                  <div classList={{ grid: props.isGrid }}>
                    <For each={group()?.things ?? []}>{(thing) => props.thing(thing, nearby())}</For>
                  </div>
                </section>
              )
            }}
          </For>
        )}
      </Show>
      <div ref={end}>{props.end}</div>
    </div>
  )
}

function Cell(props: { thing: Thing; who: string; near: Nearby; picked: boolean | undefined; onPress: () => void }): JSX.Element {
  const client = useClient()
  const [isNear, setNear] = createSignal(false)
  const media = props.thing.media!
  const label = () => (media.kind === 'video' ? words().videoFrom : words().photoFrom)(props.who, dayAndClock(props.thing.ts))
  return (
    <div class="place" classList={{ picked: props.picked === true }} ref={(element) => props.near.watch(element, setNear)}>
      <Show
        when={media.kind === 'image' && isNear()}
        fallback={
          <button type="button" class="cell" aria-label={label()} aria-pressed={props.picked} onClick={() => props.onPress()}>
            <Show when={isNear() && media.blurhash}>{(hash) => <Blur hash={hash()} />}</Show>
            <Show when={media.kind === 'video'}>
              <span class="disc">
                <Icon name="play" />
              </span>
              <Show when={media.duration}>{(duration) => <span class="facts">{clockOf(duration())}</span>}</Show>
            </Show>
          </button>
        }
      >
        <PictureButton class="cell" media={client.media} uri={media.uri} size={LARGE} alt={label()} blurhash={media.blurhash} pressed={props.picked} onOpen={() => props.onPress()} />
      </Show>
      <Show when={props.picked !== undefined}>
        <span class="mark" aria-hidden="true">
          <Show when={props.picked}>
            <Icon name="check" />
          </Show>
        </span>
      </Show>
    </div>
  )
}

function Side(props: { thing: Thing; who: string; onShow: () => void }): JSX.Element {
  const client = useClient()
  const room = () => client.room(props.thing.room)
  const name = () => (room() && roomName(room()!, client.me, client.account)) || t().emptyRoom
  return (
    <>
      <span class="side">
        <time>{shortTime(props.thing.ts)}</time>
        <span class="small quiet">{props.who}</span>
      </span>
      <button type="button" class="round" aria-label={words().toRoom(name())} onClick={() => props.onShow()}>
        <Icon name="chats" />
      </button>
    </>
  )
}

function FileRow(props: { thing: Thing; who: string; onShow: () => void }): JSX.Element {
  return (
    <div class="entry">
      <span class="what">
        <Show when={props.thing.media!.kind === 'audio'} fallback={<FileCard media={props.thing.media!} />}>
          <Player media={props.thing.media!} />
        </Show>
      </span>
      <Side {...props} />
    </div>
  )
}

/** One that may be a trap is not opened from here: its room asks first. */
function LinkRow(props: { thing: Thing; who: string; onShow: () => void }): JSX.Element {
  const link = () => props.thing.link!
  return (
    <div class="entry">
      <span class="what">
        <span class="name">
          <Show when={link().danger}>
            <Icon name="warning" />
          </Show>
          <Show when={!link().danger} fallback={<span>{link().host}</span>}>
            <a href={link().href} target="_blank" rel="noreferrer noopener">
              {link().host}
            </a>
          </Show>
        </span>
        <span class="line">{link().text}</span>
      </span>
      <Side {...props} />
    </div>
  )
}
