import { createResource, createSignal, For, Match, Show, Switch, type JSX } from 'solid-js'
import { months, type Shelf, type Thing } from '../data/drawer'
import { linkOf, type Link } from '../data/links'
import { LARGE } from '../data/media'
import { memberName } from '../data/rooms'
import type { Room } from '../data/types'
import { useClient } from '../ui/client'
import { PictureButton } from '../ui/Picture'
import { month, shortTime, t } from '../ui/settings'
import { FileCard } from './MessageRow'
import { Viewer } from './Viewer'

const SHELVES: readonly Shelf[] = ['photos', 'files', 'links']

/** All photos, files and links of a room that this device has seen, by month. */
export function Drawer(props: { room: Room; onJump: (event: string) => void }): JSX.Element {
  const client = useClient()
  const [shelf, setShelf] = createSignal<Shelf>('photos')
  const [photo, setPhoto] = createSignal<Thing>()
  const [entries] = createResource(() => client.keptOf(props.room.id))
  const list = () => months(entries() ?? [], shelf())
  return (
    <>
      <div class="switches" role="group" aria-label={t().drawer}>
        <For each={SHELVES}>
          {(name) => (
            <button type="button" aria-pressed={shelf() === name} onClick={() => setShelf(name)}>
              {t()[name]}
            </button>
          )}
        </For>
      </div>
      <div class="scroll">
        <For each={list()} fallback={<p class="empty">{entries.loading ? t().loading : t().drawerEmpty}</p>}>
          {(group) => (
            <section aria-label={month(group.ts)}>
              <h3 class="heading">{month(group.ts)}</h3>
              <div classList={{ grid: shelf() === 'photos' }}>
                <For each={group.things}>{(thing) => <ThingView thing={thing} room={props.room} onPhoto={setPhoto} onJump={props.onJump} />}</For>
              </div>
            </section>
          )}
        </For>
      </div>
      <Show when={photo()}>{(thing) => <Viewer message={thing()} onClose={() => setPhoto(undefined)} />}</Show>
    </>
  )
}

function ThingView(props: { thing: Thing; room: Room; onPhoto: (thing: Thing) => void; onJump: (event: string) => void }): JSX.Element {
  const client = useClient()
  const who = () => memberName(props.room, props.thing.sender)
  const link = (): Link | null => (props.thing.link ? linkOf(props.thing.link.href) : null)
  return (
    <Switch>
      <Match when={props.thing.media?.kind === 'image'}>
        <PictureButton class="cell" media={client.media} uri={props.thing.media!.uri} size={LARGE} alt={t().photoFrom(who())} onOpen={() => props.onPhoto(props.thing)} />
      </Match>
      <Match when={props.thing.media}>
        {(media) => (
          <div class="entry">
            <FileCard media={media()} />
          </div>
        )}
      </Match>
      <Match when={link()}>
        {(known) => (
          <button type="button" class="entry" onClick={() => props.onJump(props.thing.id)}>
            <span class="what">
              <span class="name">
                <span>{known().host}</span>
              </span>
              <span class="line">{props.thing.link!.text}</span>
            </span>
            <span class="side">
              <time>{shortTime(props.thing.ts)}</time>
              <span class="small quiet">{who()}</span>
            </span>
          </button>
        )}
      </Match>
    </Switch>
  )
}
