import { createSignal, Index, Show, type JSX } from 'solid-js'
import type { Place } from '../../data/speech'
import { ANSWERS_MAX, ANSWERS_MIN, drafted } from '../../data/poll'
import { useClient } from '../../ui/client'
import { Dialog } from '../../ui/Dialog'
import { explain } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import { say } from '../../ui/say'
import { t } from '../../ui/settings'
import './talk.css'
import { w } from './words'

/** Asks for a poll. place: the thread that it is put in. */
export default function PollForm(props: { room: string; place?: Place; onSent: () => void; onClose: () => void }): JSX.Element {
  const client = useClient()
  const [question, setQuestion] = createSignal('')
  const [answers, setAnswers] = createSignal<readonly string[]>(Array<string>(ANSWERS_MIN).fill(''))
  const [isOpen, setOpen] = createSignal(true)
  const [isMany, setMany] = createSignal(false)
  const poll = () => drafted(question(), answers(), isOpen(), isMany())
  let list!: HTMLOListElement
  const add = () => {
    setAnswers([...answers(), ''])
    queueMicrotask(() => list.querySelector<HTMLInputElement>('li:last-child input')?.focus())
  }
  async function send(event: Event): Promise<void> {
    event.preventDefault()
    const asked = poll()
    if (!asked) return say(w().pollHint)
    try {
      await client.speech.askPoll(props.room, asked, props.place)
      props.onSent()
      props.onClose()
    } catch (error) {
      say(explain(error))
    }
  }
  return (
    <Dialog kind="page" title={t().makePoll} onClose={props.onClose}>
      <form class="poll-form" onSubmit={(event) => void send(event)}>
        <div class="scroll padded">
          <label class="field">
            <span>{w().question}</span>
            <input type="text" autofocus maxlength="500" value={question()} onInput={(event) => setQuestion(event.currentTarget.value)} />
          </label>
          <ol ref={list}>
            <Index each={answers()}>
              {(answer, at) => (
                <li>
                  <input
                    type="text"
                    maxlength="200"
                    aria-label={w().answer(at + 1)}
                    placeholder={w().answer(at + 1)}
                    value={answer()}
                    onInput={(event) => setAnswers(answers().map((one, place) => (place === at ? event.currentTarget.value : one)))}
                  />
                  <Show when={answers().length > ANSWERS_MIN}>
                    <button type="button" class="round" aria-label={w().removeAnswer(at + 1)} onClick={() => setAnswers(answers().filter((_, place) => place !== at))}>
                      <Icon name="close" />
                    </button>
                  </Show>
                </li>
              )}
            </Index>
          </ol>
          <Show when={answers().length < ANSWERS_MAX}>
            <button type="button" class="plain" onClick={add}>
              <Icon name="plus" />
              {w().addAnswer}
            </button>
          </Show>
          <label class="tick">
            <input type="checkbox" checked={isOpen()} onChange={(event) => setOpen(event.currentTarget.checked)} />
            {w().isOpen}
          </label>
          <label class="tick">
            <input type="checkbox" checked={isMany()} onChange={(event) => setMany(event.currentTarget.checked)} />
            {w().isMany}
          </label>
          <p class="hint">{w().pollHint}</p>
        </div>
        <div class="foot">
          <button class="strong wide" aria-disabled={!poll()}>
            {w().startPoll}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
