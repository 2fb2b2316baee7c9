import { createSignal, For, Show, type JSX } from 'solid-js'
import { pressed, showsVotes, winners, type Answer, type Poll } from '../../data/poll'
import { mayRedact, memberName } from '../../data/rooms'
import type { Message } from '../../data/timeline'
import type { Room } from '../../data/types'
import { useClient } from '../../ui/client'
import { Confirm } from '../../ui/Dialog'
import { orSay } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import './talk.css'
import { w } from './words'

interface Props {
  message: Message
  poll: Poll
  room: Room
}

/** A poll in its message: choose by a press, choose again by another. */
export default function PollCard(props: Props): JSX.Element {
  const client = useClient()
  const [isEnding, setEnding] = createSignal(false)
  const mayEnd = () => props.message.id !== undefined && !props.poll.isEnded && (props.message.mine || mayRedact(props.room, client.me))
  const end = () => {
    setEnding(false)
    orSay(client.speech.endPoll(props.room.id, props.message.id!, props.poll, w().pollEnded(props.poll.question)))
  }
  return (
    <div class="poll" role="group" aria-label={props.poll.question}>
      <p class="question">{props.poll.question}</p>
      <p class="small">{props.poll.isEnded ? w().ended : props.poll.max === 1 ? w().oneChoice : w().manyChoices(props.poll.max)}</p>
      <ul>
        <For each={props.poll.answers}>{(answer) => <Choice {...props} answer={answer} />}</For>
      </ul>
      <p class="under small">
        <span>{[w().voters(props.poll.voters), showsVotes(props.poll) ? '' : w().hidden].filter(Boolean).join(' · ')}</span>
        <Show when={mayEnd()}>
          <button type="button" aria-haspopup="dialog" onClick={() => setEnding(true)}>
            {w().endPoll}
          </button>
        </Show>
      </p>
      <Show when={isEnding()}>
        <Confirm title={w().endPoll} text={w().endPollConfirm} action={w().endPoll} onClose={() => setEnding(false)} onYes={end} />
      </Show>
    </div>
  )
}

function Choice(props: Props & { answer: Answer }): JSX.Element {
  const client = useClient()
  const voters = () => props.poll.votes[props.answer.id] ?? []
  const isMine = () => props.poll.mine.includes(props.answer.id)
  const isMost = () => winners(props.poll).includes(props.answer.id)
  const share = () => (props.poll.voters === 0 ? 0 : Math.round((voters().length / props.poll.voters) * 100))
  const names = () => voters().map((user) => memberName(props.room, user)).join(', ')
  const press = () => orSay(client.speech.vote(props.room.id, props.message.id!, pressed(props.poll, props.answer.id)))
  return (
    <li>
      <button type="button" class="choice" classList={{ most: isMost() }} aria-pressed={isMine()} disabled={props.poll.isEnded || !props.message.id} title={showsVotes(props.poll) && names() ? w().chosenBy(names()) : undefined} onClick={press}>
        <span class="mark" aria-hidden="true">
          <Show when={isMine()}>
            <Icon name="check" />
          </Show>
        </span>
        <span class="label">
          {props.answer.text}
          <Show when={isMost()}>
            <span class="small"> · {w().most}</span>
          </Show>
        </span>
        <Show when={showsVotes(props.poll)}>
          <span class="number small">{w().votes(voters().length)}</span>
          <span class="share" aria-hidden="true">
            <span style={{ width: `${share()}%` }} />
          </span>
        </Show>
      </button>
    </li>
  )
}
