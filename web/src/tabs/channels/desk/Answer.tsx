import { createEffect, createMemo, createSignal, For, on, onCleanup, onMount, Show, type JSX } from 'solid-js'
import { answering, repliesFor, slashed } from '../../../data/channelDesk'
import { uploaded } from '../../../data/self'
import { ask } from '../../../data/service'
import type { DetailSaid, Reply } from '../../../net/interface'
import { explain, orSay } from '../../../ui/errors'
import { Icon } from '../../../ui/Icon'
import { say } from '../../../ui/say'
import { sight, type Sight } from '../../services/sight'
import { nameOf, type Place } from './place'
import { Replies } from './Replies'
import { answer, note } from './wishes'
import { w } from './words'

const DRAFT_MS = 400
const HANGUL = 229 // Safari ends a composition before it tells of the Enter that ended it
const MOST = { answer: 5_000, note: 2_000 } as const

export type Mode = 'answer' | 'note'

const repliesOf = ({ shop, done }: Place): Sight<{ replies: Reply[] }> => {
  const replies = sight<{ replies: Reply[] }>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/desk/replies', { channel_id: shop.id }),
    pace: () => 120_000,
    name: `desk replies ${shop.id}`,
  })
  createEffect(on(done, () => replies.poke(), { defer: true }))
  return replies
}

/** What an agent says to the customer, or notes for colleagues: never to be taken for each other. */
export function Answer(props: { place: Place; talk: DetailSaid; mode: Mode; onMode: (mode: Mode) => void; ref: (write: (mode: Mode) => void) => void }): JSX.Element {
  const { client, id: channel } = props.place.shop
  const talk = props.talk.conversation_id
  const replies = repliesOf(props.place)
  const draftOf = (mode: Mode) => `desk ${talk} ${mode}`
  const [text, setText] = createSignal(client.drafts.of(draftOf(props.mode)))
  const [isManaging, setManaging] = createSignal(false)
  const [isUploading, setUploading] = createSignal(false)
  const may = () => answering(props.talk, client.me)
  const isShut = () => props.mode === 'answer' && may() === 'not'
  const isTouch = matchMedia('(pointer: coarse)').matches
  let area!: HTMLTextAreaElement
  let timer: ReturnType<typeof setTimeout> | undefined
  let isSending = false
  const keep = () => {
    clearTimeout(timer)
    timer = undefined
    orSay(client.drafts.keep(draftOf(props.mode), text()))
  }
  onCleanup(() => timer !== undefined && keep())
  const typed = (value: string) => {
    setText(value)
    clearTimeout(timer)
    timer = setTimeout(keep, DRAFT_MS)
  }
  const picker = pickerOf(() => (props.mode === 'answer' ? slashed(text()) : undefined), () => replies.value()?.replies ?? [], (reply) => {
    typed(reply.body)
    area.focus()
  })
  function write(mode: Mode): void {
    if (mode !== props.mode) {
      keep()
      props.onMode(mode)
      setText(client.drafts.of(draftOf(mode)))
    }
    queueMicrotask(() => area.focus())
  }
  onMount(() => {
    props.ref(write)
    if (!isTouch && props.talk.agent === client.me) area.focus()
  })
  async function send(): Promise<void> {
    const body = text().trim()
    const { mode } = props
    if (!body || isSending || isShut() || body.length > MOST[mode]) return
    isSending = true
    try {
      await (mode === 'note' ? note(client, channel, talk, body) : answer(client, channel, talk, { body }, may() === 'takes'))
      typed('')
      keep()
    } catch (error) {
      say(explain(error))
    }
    isSending = false
    area.focus()
  }
  /** It is on the server first, and then said: what was cut off before is chosen again. */
  async function sendFile(input: HTMLInputElement): Promise<void> {
    const file = input.files?.[0]
    input.value = ''
    if (!file) return
    setUploading(true)
    try {
      const url = await uploaded(client.matrix, file)
      await answer(client, channel, talk, { body: file.name || w().fileLine, url, mimetype: file.type, size: file.size }, may() === 'takes')
    } catch (error) {
      say(explain(error))
    }
    setUploading(false)
  }
  function pressed(event: KeyboardEvent): void {
    if (picker.pressed(event)) return
    if (event.key === 'Escape') return area.blur()
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === HANGUL || isTouch) return
    event.preventDefault()
    void send()
  }
  const hint = () => {
    if (isUploading()) return w().uploading
    if (props.mode === 'note') return w().noteHint
    if (may() === 'not') return w().notMine(nameOf(props.place, props.talk.agent ?? ''))
    return may() === 'now' ? '' : props.talk.state === 'bot' ? w().willTakeBot : props.talk.state === 'closed' ? w().willReopen : w().willTake
  }
  return (
    <>
      <form
        class="composer cdesk-answer"
        classList={{ 'of-note': props.mode === 'note' }}
        onSubmit={(event) => {
          event.preventDefault()
          void send()
        }}
      >
        <div class="cdesk-modes">
          <div class="switches" role="group" aria-label={w().modes.answer}>
            <For each={['answer', 'note'] as const}>
              {(mode) => (
                <button type="button" aria-pressed={props.mode === mode} onClick={() => write(mode)}>
                  <Show when={mode === 'note'}>
                    <Icon name="lock" />
                  </Show>
                  {w().modes[mode]}
                </button>
              )}
            </For>
          </div>
          <p class="small" role="status">
            {text().trim().length > MOST[props.mode] ? w().tooLong(MOST[props.mode]) : hint()}
          </p>
        </div>
        <Picks picker={picker} />
        <div class="inner">
          <Show when={props.mode === 'answer' && !isShut()}>
            <label class="round attach">
              <Icon name="plus" />
              <span class="unseen">{w().attach}</span>
              <input type="file" disabled={isUploading()} onChange={(event) => void sendFile(event.currentTarget)} />
            </label>
            <button type="button" class="round" aria-label={w().replies} title={w().replies} aria-haspopup="dialog" onClick={() => setManaging(true)}>
              <Icon name="star" />
            </button>
          </Show>
          <textarea
            ref={area}
            rows="1"
            value={text()}
            readonly={isShut()}
            placeholder={props.mode === 'note' ? w().writeNote : w().writeAnswer}
            aria-label={props.mode === 'note' ? w().writeNote : w().writeAnswer}
            aria-autocomplete="list"
            aria-controls={picker.found().length > 0 ? 'cdesk-picks' : undefined}
            aria-activedescendant={picker.found().length > 0 ? `cdesk-pick-${picker.at()}` : undefined}
            enterkeyhint="send"
            onInput={(event) => typed(event.currentTarget.value)}
            onKeyDown={pressed}
          />
          <button class="round go" aria-label={props.mode === 'note' ? w().keep : w().send} disabled={text().trim() === '' || isShut() || text().trim().length > MOST[props.mode]}>
            <Icon name={props.mode === 'note' ? 'check' : 'send'} />
          </button>
        </div>
      </form>
      <Show when={isManaging()}>
        <Replies
          place={props.place}
          replies={replies}
          onPick={(reply) => {
            typed(text().trim() && slashed(text()) === undefined ? `${text().trimEnd()}\n${reply.body}` : reply.body)
            setManaging(false)
            queueMicrotask(() => area.focus())
          }}
          onClose={() => setManaging(false)}
        />
      </Show>
    </>
  )
}

// --- kept answers, by "/" ---

const SHOWN_MAX = 8

interface Picker {
  /** undefined: nobody asks */
  typed: () => string | undefined
  found: () => Reply[]
  at: () => number
  pick: (reply: Reply) => void
  pressed: (event: KeyboardEvent) => boolean
}

function pickerOf(typed: () => string | undefined, replies: () => readonly Reply[], pick: (reply: Reply) => void): Picker {
  const [place, setPlace] = createSignal(0)
  const found = createMemo(() => (typed() === undefined ? [] : repliesFor(replies(), typed()!).slice(0, SHOWN_MAX)))
  createEffect(on(typed, () => setPlace(0)))
  const at = () => Math.min(place(), found().length - 1)
  const pressed = (event: KeyboardEvent): boolean => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (found().length === 0 || event.isComposing) return false
    if (step !== undefined) setPlace((at() + step + found().length) % found().length)
    else if (event.key === 'Enter' || event.key === 'Tab') pick(found()[at()]!)
    else return false
    event.preventDefault()
    return true
  }
  return { typed, found, at, pick, pressed }
}

function Picks(props: { picker: Picker }): JSX.Element {
  return (
    <>
      <p class="unseen" role="status">
        {props.picker.typed() === undefined ? '' : w().repliesFound(props.picker.found().length)}
      </p>
      <Show when={props.picker.found().length > 0}>
        <ul id="cdesk-picks" class="callees" role="listbox" aria-label={w().replies} onPointerDown={(event) => event.preventDefault()}>
          <For each={props.picker.found()}>
            {(reply, at) => (
              <li id={`cdesk-pick-${at()}`} role="option" aria-selected={at() === props.picker.at()} onClick={() => props.picker.pick(reply)}>
                <strong>{reply.name}</strong>
                <span class="quiet small cdesk-one-line">{reply.body}</span>
              </li>
            )}
          </For>
        </ul>
      </Show>
    </>
  )
}
