import { createEffect, createSignal, Match, Switch, type JSX } from 'solid-js'
import type { MediaShelf, Size } from '../data/media'
import { Icon } from './Icon'
import { t } from './settings'

/** A photo that is fetched when it is drawn. Its place is kept by the measures that the message tells. */
export function Picture(props: { media: MediaShelf; uri: string; size?: Size; alt: string; width?: number | undefined; height?: number | undefined }): JSX.Element {
  const [address, setAddress] = createSignal<string>()
  const [isLost, setLost] = createSignal(false)
  const load = () => {
    const { uri } = props
    setLost(false)
    void props.media.url(uri, props.size).then((url) => props.uri === uri && setAddress(url), () => setLost(true))
  }
  createEffect(load)
  return (
    <Switch fallback={<span class="waiting" aria-hidden="true"><Icon name="photo" /></span>}>
      <Match when={isLost()}>
        <span class="waiting">
          <Icon name="warning" />
          {t().photoMissing}
        </span>
      </Match>
      <Match when={address()}>{(url) => <img src={url()} alt={props.alt} width={props.width} height={props.height} draggable={false} onError={() => setLost(true)} />}</Match>
    </Switch>
  )
}
