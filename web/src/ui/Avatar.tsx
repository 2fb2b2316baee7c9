import { Show, type JSX } from 'solid-js'
import { SMALL, type MediaShelf } from '../data/media'
import { held } from './held'
import { Icon } from './Icon'

const HUES = 8

/** The same person has the same colour everywhere. */
export function hueOf(id: string): number {
  let sum = 0
  for (const letter of id) sum = (sum * 31 + letter.codePointAt(0)!) >>> 0
  return sum % HUES
}

const initial = (name: string): string => [...name.replace(/^[@#!]/, '')][0]?.toLocaleUpperCase() ?? '?'

/** A photo, or the first letter of the name. It adds nothing to the name beside it, so readers pass it over. */
export function Avatar(props: { media: MediaShelf; id: string; name: string; uri?: string | undefined; group?: boolean; size?: 'large' }): JSX.Element {
  const photo = held(props.media, () => props.uri, SMALL)
  return (
    <span class={`avatar hue${hueOf(props.id)}`} classList={{ large: props.size === 'large' }} aria-hidden="true">
      <Show when={!photo.isLost() && photo.address()} fallback={props.group ? <Icon name="people" /> : initial(props.name)}>
        {(url) => <img src={url()} alt="" draggable={false} onError={photo.lose} />}
      </Show>
    </span>
  )
}
