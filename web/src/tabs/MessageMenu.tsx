import { createSignal, For, Show, type JSX } from 'solid-js'
import { PINNED, type Pinning } from '../data/pins'
import { mayRedact, maySet } from '../data/rooms'
import type { Message } from '../data/timeline'
import type { Room } from '../data/types'
import { useClient } from '../ui/client'
import { copy } from '../ui/copy'
import { Confirm, Dialog } from '../ui/Dialog'
import { orSay } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { report } from '../ui/reporting'
import { t } from '../ui/settings'
import type { About } from './Composer'

const FACES = ['👍', '❤️', '😂', '😮', '😢', '🙏']

interface Props {
  room: string
  known: Room | undefined
  message: Message
  onAbout: (about: About) => void
  /** Not in a thread, which has none within. */
  onThread?: (root: string) => void
  onClose: () => void
}

export function MessageMenu(props: Props): JSX.Element {
  const client = useClient()
  const [isAsking, setAsking] = createSignal(false)
  const isGone = () => props.message.kind === 'redacted'
  const mayDelete = () => !isGone() && (props.message.mine || (props.known !== undefined && mayRedact(props.known, client.me)))
  const mayPin = () => props.known !== undefined && maySet(props.known, client.me, PINNED)
  const pin = (how: Pinning) => act(() => orSay(client.chats.pin(props.room, props.message.id!, how)))
  const act = (run: () => unknown) => () => {
    run()
    props.onClose()
  }
  const react = (key: string) => {
    const mine = props.message.reactions.find((reaction) => reaction.key === key)?.mine
    orSay(mine ? client.speech.takeBack(props.room, mine) : client.speech.react(props.room, props.message.id!, key))
  }
  return (
    <Show
      when={!isAsking()}
      fallback={
        <Confirm title={t().delete} text={t().deleteConfirm} action={t().delete} onClose={props.onClose} onYes={act(() => orSay(client.speech.redact(props.room, props.message.id!)))} />
      }
    >
      <Dialog title={t().actions} onClose={() => !isAsking() && props.onClose()}>
        <Show when={!isGone()}>
          <div class="faces" role="group" aria-label={t().react}>
            <For each={FACES}>
              {(face) => (
                <button type="button" aria-label={`${t().react} ${face}`} onClick={act(() => react(face))}>
                  {face}
                </button>
              )}
            </For>
          </div>
          <div class="menu">
            <button type="button" onClick={act(() => props.onAbout({ kind: 'reply', message: props.message }))}>
              <Icon name="reply" />
              {t().reply}
            </button>
            <Show when={props.onThread}>
              {(open) => (
                <button type="button" onClick={act(() => open()(props.message.id!))}>
                  <Icon name="thread" />
                  {t().inThread}
                </button>
              )}
            </Show>
            <Show when={mayPin()}>
              <Show
                when={props.message.isPinned}
                fallback={
                  <button type="button" onClick={pin('pin')}>
                    <Icon name="pin" />
                    {t().pin}
                  </button>
                }
              >
                <button type="button" onClick={pin('unpin')}>
                  <Icon name="pin" />
                  {t().unpin}
                </button>
              </Show>
              <Show when={props.known?.pinned?.[0] !== props.message.id}>
                <button type="button" onClick={pin('notice')}>
                  <Icon name="notice" />
                  {t().makeNotice}
                </button>
              </Show>
            </Show>
            <button type="button" onClick={act(() => copy(props.message.poll?.question ?? props.message.body))}>
              <Icon name="file" />
              {t().copy}
            </button>
            <Show when={props.message.mine && (props.message.kind === 'text' || props.message.wording)}>
              <button type="button" onClick={act(() => props.onAbout({ kind: 'edit', message: props.message }))}>
                <Icon name="check" />
                {props.message.wording ? t().editCaption : t().edit}
              </button>
            </Show>
            <Show when={!props.message.mine}>
              <button type="button" onClick={act(() => report({ room: props.room, event: props.message.id!, sender: props.message.sender }))}>
                <Icon name="warning" />
                {t().report}
              </button>
            </Show>
            <Show when={mayDelete()}>
              <button type="button" class="danger" onClick={() => setAsking(true)}>
                <Icon name="close" />
                {t().delete}
              </button>
            </Show>
          </div>
        </Show>
      </Dialog>
    </Show>
  )
}
