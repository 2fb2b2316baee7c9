import { createMemo, lazy, Suspense, type JSX } from 'solid-js'
import { memberName } from '../data/rooms'
import type { Message } from '../data/timeline'
import type { OpenRoom } from '../ui/openRoom'
import type { Photo } from './media/Viewer'

const Photos = lazy(() => import('./media/Viewer'))

interface Props {
  message: Message
  /** where it was said: its other photos are beside it */
  open: Pick<OpenRoom, 'keys' | 'row' | 'room' | 'older'>
  onClose: () => void
}

/** A photo of a conversation over the whole screen; fetched with the first one that is opened. */
export function Viewer(props: Props): JSX.Element {
  const photoOf = ({ key, media, sender }: Message): Photo[] => (media?.kind === 'image' ? [{ id: key, media, who: memberName(props.open.room(), sender) }] : [])
  const photos = createMemo(() => {
    const all = props.open.keys().flatMap((key) => {
      const row = props.open.row(key)
      return row?.kind === 'message' ? photoOf(row.message) : []
    })
    return all.some((photo) => photo.id === props.message.key) ? all : photoOf(props.message)
  })
  return (
    <Suspense>
      <Photos photos={photos()} start={props.message.key} onOlder={props.open.older} onClose={props.onClose} />
    </Suspense>
  )
}
