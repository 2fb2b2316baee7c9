import { Match, Show, Switch, type JSX } from 'solid-js'
import type { MediaShelf, Size } from '../data/media'
import { Blur } from './Blur'
import { held, type Held } from './held'
import { Icon } from './Icon'
import { t } from './settings'

interface Props {
  media: MediaShelf
  uri: string
  size?: Size
  alt: string
  blurhash?: string | undefined
  width?: number | undefined
  height?: number | undefined
}

/** A photo that is fetched when it is drawn. Its place is kept by the measures that the message tells. */
export function Picture(props: Props): JSX.Element {
  const photo = held(props.media, () => props.uri, props.size)
  return (
    <Show when={photo.isLost()} fallback={<Shown {...props} photo={photo} />}>
      <button type="button" class="waiting" onClick={photo.again}>
        <Lost />
      </button>
    </Show>
  )
}

/** The same as a button. Pressed, it opens; while the photo could not be had, it tries again. */
export function PictureButton(props: Props & { class: string; style?: JSX.CSSProperties; pressed?: boolean | undefined; onOpen: () => void }): JSX.Element {
  const photo = held(props.media, () => props.uri, props.size)
  return (
    <button type="button" class={props.class} style={props.style} aria-pressed={props.pressed} onClick={() => (photo.isLost() ? photo.again() : props.onOpen())}>
      <Show when={photo.isLost()} fallback={<Shown {...props} photo={photo} />}>
        <span class="waiting">
          <Lost />
        </span>
      </Show>
    </button>
  )
}

function Lost(): JSX.Element {
  return (
    <>
      <Icon name="warning" />
      {t().photoMissing}
    </>
  )
}

function Waiting(props: Props): JSX.Element {
  return (
    <span class="waiting" role="img" aria-label={props.alt}>
      <Show when={props.blurhash} fallback={<Icon name="photo" />}>
        {(hash) => <Blur hash={hash()} />}
      </Show>
    </span>
  )
}

function Shown(props: Props & { photo: Held }): JSX.Element {
  return (
    <Switch fallback={<Waiting {...props} />}>
      <Match when={props.photo.address()}>
        {(url) => <img src={url()} alt={props.alt} width={props.width} height={props.height} draggable={false} onError={props.photo.lose} />}
      </Match>
    </Switch>
  )
}
