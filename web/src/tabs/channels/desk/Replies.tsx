import { createMemo, createSignal, For, Match, Show, Switch, type JSX } from 'solid-js'
import { repliesFor } from '../../../data/channelDesk'
import type { Reply } from '../../../net/interface'
import { Confirm, Dialog } from '../../../ui/Dialog'
import { t } from '../../../ui/settings'
import { Field, Fresh, Pending, read } from '../../services/Parts'
import type { Sight } from '../../services/sight'
import type { Place } from './place'
import { dropReply, intentName, isOfReplies, keepReply } from './wishes'
import { w } from './words'

interface Props {
  place: Place
  replies: Sight<{ replies: Reply[] }>
  onPick: (reply: Reply) => void
  onClose: () => void
}

/** Answers that are given often: one is put into the text, and the list is seen to. */
export function Replies(props: Props): JSX.Element {
  const { client, id: channel } = props.place.shop
  const [words, setWords] = createSignal('')
  const [edited, setEdited] = createSignal<Reply | 'new'>()
  const [dropped, setDropped] = createSignal<Reply>()
  const found = createMemo(() => repliesFor(props.replies.value()?.replies ?? [], words().trim()))
  const ids = createMemo(() => found().map((reply) => reply.reply_id))
  const byId = createMemo(() => new Map(found().map((reply) => [reply.reply_id, reply])))
  return (
    <Dialog kind="page" title={w().replies} onClose={props.onClose}>
      <div class="cdesk-find">
        <input type="search" aria-label={t().search} placeholder={t().search} onInput={(event) => setWords(event.currentTarget.value)} />
      </div>
      <div class="scroll cdesk-kept">
        <Show when={props.replies.error()}>
          <Fresh of={props.replies} />
        </Show>
        <Pending intents={props.place.intents().filter(isOfReplies)} nameOf={intentName} errors={w().errors} />
        <ul class="cdesk-replies">
          <For each={ids()} fallback={<li class="empty">{props.replies.value() ? (words() ? w().repliesFound(0) : w().noReplies) : t().loading}</li>}>
            {(id) => {
              const reply = createMemo<Reply>((before) => byId().get(id) ?? before!, byId().get(id)!)
              return (
                <li>
                  <button type="button" class="cdesk-reply" onClick={() => props.onPick(reply())}>
                    <strong>{reply().name}</strong>
                    <span class="quiet small cdesk-one-line">{reply().body}</span>
                  </button>
                  <button type="button" class="plain" aria-label={`${w().edit}: ${reply().name}`} onClick={() => setEdited(reply())}>
                    {w().edit}
                  </button>
                </li>
              )
            }}
          </For>
        </ul>
      </div>
      <p class="foot">
        <button type="button" class="strong wide" onClick={() => setEdited('new')}>
          {w().newReply}
        </button>
      </p>
      <Switch>
        <Match when={dropped()} keyed>
          {(reply) => (
            <Confirm
              title={w().drop}
              text={w().dropConfirm(reply.name)}
              action={w().drop}
              onClose={() => setDropped(undefined)}
              onYes={() => (dropReply(client, channel, reply.reply_id), setDropped(undefined))}
            />
          )}
        </Match>
        <Match when={edited()} keyed>
          {(reply) => (
            <Edit
              reply={reply === 'new' ? undefined : reply}
              onClose={() => setEdited(undefined)}
              onSave={(body, id) => (keepReply(client, channel, body, id), setEdited(undefined))}
              onDrop={(one) => (setEdited(undefined), setDropped(one))}
            />
          )}
        </Match>
      </Switch>
    </Dialog>
  )
}

function Edit(props: { reply: Reply | undefined; onClose: () => void; onSave: (body: { name: string; body: string }, id?: string) => void; onDrop: (reply: Reply) => void }): JSX.Element {
  function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): void {
    event.preventDefault()
    const { name = '', body = '' } = read(event.currentTarget)
    props.onSave({ name, body }, props.reply?.reply_id)
  }
  return (
    <Dialog title={props.reply ? w().editReply : w().newReply} onClose={props.onClose}>
      <form class="form" onSubmit={send}>
        <Field label={w().replyName}>
          <input name="name" required maxlength="50" autocomplete="off" autofocus value={props.reply?.name ?? ''} />
        </Field>
        <Field label={w().replyBody}>
          <textarea name="body" required maxlength="5000" rows="6" value={props.reply?.body ?? ''} />
        </Field>
        <button class="strong wide">{w().save}</button>
        <Show when={props.reply}>
          {(reply) => (
            <button type="button" class="plain wide" onClick={() => props.onDrop(reply())}>
              {w().drop}
            </button>
          )}
        </Show>
      </form>
    </Dialog>
  )
}
