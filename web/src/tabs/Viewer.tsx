import type { JSX } from 'solid-js'
import type { Media, Message } from '../data/timeline'
import { useClient } from '../ui/client'
import { modal } from '../ui/Dialog'
import { explain } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { Picture } from '../ui/Picture'
import { say } from '../ui/say'
import { t } from '../ui/settings'

/** A photo over the whole screen. */
export function Viewer(props: { message: { media?: Media | undefined } & Pick<Message, 'sender'>; onClose: () => void }): JSX.Element {
  const client = useClient()
  const media = props.message.media!
  let dialog!: HTMLDialogElement
  const closed = modal(() => dialog, () => props.onClose())
  const save = () => client.media.save(media.uri, media.name).catch((error) => say(explain(error)))
  return (
    <dialog ref={dialog} class="dialog viewer" aria-label={media.name || t().photo} onClose={closed}>
      <div class="inside">
        <header class="bar">
          <span>{media.name}</span>
          <button type="button" class="round" aria-label={t().download} onClick={() => void save()}>
            <Icon name="download" />
          </button>
          <button type="button" class="round" aria-label={t().close} onClick={() => dialog.close()}>
            <Icon name="close" />
          </button>
        </header>
        <div class="view">
          <Picture media={client.media} uri={media.uri} alt={media.name || t().photo} width={media.width} height={media.height} />
        </div>
      </div>
    </dialog>
  )
}
