import { createSignal, Show, type JSX } from 'solid-js'
import { uploaded } from '../../data/self'
import { useClient } from '../../ui/client'
import { explain } from '../../ui/errors'
import { Picture } from '../../ui/Picture'
import { w } from './words'

export interface Chosen {
  uri: string
  mimetype: string
  size: number
}

/** A picture that is put on the server when it is chosen. onPick: undefined takes it away. */
export function PictureField(props: { label: string; uri: string | undefined; onPick: (chosen: Chosen | undefined) => void }): JSX.Element {
  const client = useClient()
  const [isUploading, setUploading] = createSignal(false)
  const [wrong, setWrong] = createSignal('')
  let input!: HTMLInputElement
  async function upload(): Promise<void> {
    const file = input.files?.[0]
    input.value = ''
    if (!file) return
    setUploading(true)
    setWrong('')
    try {
      props.onPick({ uri: await uploaded(client.matrix, file), mimetype: file.type, size: file.size })
    } catch (error) {
      setWrong(explain(error))
    }
    setUploading(false)
  }
  return (
    <div class="field picture-field" role="group" aria-label={props.label}>
      <span>{props.label}</span>
      <Show when={props.uri} keyed>
        {(uri) => <Picture media={client.media} uri={uri} size={{ width: 320, height: 320 }} alt={props.label} />}
      </Show>
      <p class="choices">
        <button type="button" class="plain" disabled={isUploading()} onClick={() => input.click()}>
          {isUploading() ? w().uploading : props.uri ? w().changePicture : w().pickPicture}
        </button>
        <Show when={props.uri}>
          <button type="button" class="plain" disabled={isUploading()} onClick={() => props.onPick(undefined)}>
            {w().removePicture}
          </button>
        </Show>
      </p>
      <Show when={wrong()}>
        <p class="wrong" role="alert">
          {wrong()}
        </p>
      </Show>
      <input ref={input} type="file" hidden accept="image/jpeg,image/png,image/gif,image/webp" aria-label={props.label} onChange={() => void upload()} />
    </div>
  )
}
