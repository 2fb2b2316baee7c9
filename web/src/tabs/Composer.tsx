import { createEffect, createSignal, lazy, on, onCleanup, onMount, Show, Suspense, type JSX } from 'solid-js'
import type { Place } from '../data/speech'
import { memberName } from '../data/rooms'
import type { Message } from '../data/timeline'
import type { Room } from '../data/types'
import type { Recording } from '../data/voice'
import { CalleeList, calleeId } from '../ui/CalleeList'
import { useClient } from '../ui/client'
import { explain, orSay } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { useMentions } from '../ui/mentions'
import { lineOf } from '../ui/phrases'
import { say } from '../ui/say'
import { t } from '../ui/settings'

/** What the text is about: an answer to a message, or another wording of one. */
/** The words of a message that can be changed. */
const textOf = ({ wording, media, body }: Message): string => (wording ? (media?.caption ?? '') : body)

export type About = { kind: 'reply' | 'edit'; message: Message }

interface Props {
  id: string
  room: Room | undefined
  /** the thread that is written in; last: its newest message */
  thread?: { root: string; last: () => string }
  about: About | undefined
  onAbout: (about: About | undefined) => void
  /** chosen, pasted or dropped, and not sent yet */
  files: File[]
  onFiles: (files: File[]) => void
  onPoll: () => void
  onSent: () => void
}

const Recorder = lazy(() => import('./media/Recorder'))
const Camera = lazy(() => import('./media/Camera'))
const Attachments = lazy(() => import('./media/Attachments').catch(() => ({ default: SendAtOnce })))

/** Where the window in which files are looked at cannot be fetched. */
function SendAtOnce(props: { files: File[]; onSend: (files: File[], caption: string) => void; onClose: () => void }): JSX.Element {
  onMount(() => props.onSend(props.files, ''))
  return null
}

const DRAFT_MS = 400
const HANGUL = 229 // Safari ends a composition before it tells of the Enter that ended it

export function Composer(props: Props): JSX.Element {
  const client = useClient()
  const place = props.thread ? `${props.id} ${props.thread.root}` : props.id
  const listId = `callees ${place}`.replace(/\s/g, '_')
  const [text, setText] = createSignal(client.drafts.of(place))
  const isTouch = matchMedia('(pointer: coarse)').matches
  const [isSpeaking, setSpeaking] = createSignal(false)
  const [isPosing, setPosing] = createSignal(false)
  let area!: HTMLTextAreaElement
  let microphone: HTMLButtonElement | undefined
  let isSending = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const mentions = useMentions(() => props.room, client.me, put, () => void client.chats.loadMembersOnce(props.id))

  onMount(() => {
    mentions.recall(text())
    if (!isTouch) area.focus()
  })
  const keep = () => {
    clearTimeout(timer)
    timer = undefined
    if (props.about?.kind !== 'edit') orSay(client.drafts.keep(place, text()))
  }
  onCleanup(() => timer !== undefined && keep())
  const write = (value: string, called?: readonly string[]) => {
    setText(value)
    mentions.recall(value, called)
  }
  createEffect(
    on(
      () => props.about,
      (about, before) => {
        if (about?.kind === 'edit') {
          if (before?.kind !== 'edit' && timer !== undefined) orSay(client.drafts.keep(place, text()))
          write(textOf(about.message), about.message.mentions)
        } else if (before?.kind === 'edit') write(client.drafts.of(place))
        if (about) queueMicrotask(() => area.focus()) // once the menu is closed, for nothing behind it takes the focus
      },
      { defer: true },
    ),
  )

  function typed(value: string): void {
    setText(value)
    clearTimeout(timer)
    timer = setTimeout(keep, DRAFT_MS)
    client.chats.typed(props.id, value !== '')
  }

  /** A name from the list is in the text. */
  function put(value: string, caret: number): void {
    typed(value)
    area.value = value // now, for the caret has to stand in it
    area.setSelectionRange(caret, caret)
    area.focus()
  }

  /** A caption can be taken away. */
  const mayBeEmpty = (): boolean => props.about?.kind === 'edit' && props.about.message.wording !== undefined

  const where = (): Place => (props.thread ? { thread: { root: props.thread.root, last: props.thread.last() } } : {})

  function store(body: string): Promise<void> {
    const { about } = props
    const said = mentions.spoken(body)
    if (about?.kind === 'edit') {
      const { id, wording, mentions: called } = about.message
      return wording ? client.speech.recaption(props.id, id!, wording, said, called) : client.speech.edit(props.id, id!, said, called)
    }
    return client.speech.say(props.id, said, { ...where(), replyTo: about?.message })
  }

  /** The words stay in their place until they are on disk. */
  async function send(): Promise<void> {
    const whole = text()
    const body = whole.trim()
    if ((!body && !mayBeEmpty()) || isSending) return
    const { about } = props
    isSending = true
    try {
      await store(body)
    } catch (error) {
      return say(explain(error))
    } finally {
      isSending = false
    }
    if (about?.kind !== 'edit') {
      typed(text().startsWith(whole) ? text().slice(whole.length) : text()) // whoever types fast is further by now
      mentions.recall(text())
      keep()
    }
    props.onAbout(undefined)
    props.onSent()
    area.focus()
  }

  function pressed(event: KeyboardEvent): void {
    if (mentions.pressed(event)) return
    if (event.key === 'Escape' && props.about) leaveAbout()
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === HANGUL || isTouch) return
    event.preventDefault()
    void send()
  }

  function quiet(): void {
    setSpeaking(false)
    microphone?.focus()
  }

  function leaveAbout(): void {
    props.onAbout(undefined)
  }

  function sendFiles(files: File[], caption: string): void {
    props.onFiles([])
    props.onSent()
    orSay(client.speech.sendFiles(props.id, files, where(), caption))
  }

  function pasted(event: ClipboardEvent): void {
    const files = [...(event.clipboardData?.files ?? [])]
    if (files.length === 0) return
    event.preventDefault()
    props.onFiles(files)
  }

  function picked(input: HTMLInputElement): void {
    props.onFiles([...(input.files ?? [])])
    input.value = ''
  }

  return (
    <>
      <form
        class="composer"
        onSubmit={(event) => {
          event.preventDefault()
          void send()
        }}
      >
        <CalleeList id={listId} room={props.room} mentions={mentions} />
        <Show when={props.about}>
          {(about) => (
            <div class="about">
              <span>
                <strong>{about().kind === 'edit' ? t().editing : t().replyTo(memberName(props.room, about().message.sender))}</strong>
                <span class="line">{lineOf(about().message)}</span>
              </span>
              <button type="button" class="round" aria-label={t().cancel} onClick={leaveAbout}>
                <Icon name="close" />
              </button>
            </div>
          )}
        </Show>
        <Show when={isSpeaking()}>
          <Speaking onSend={(recording) => client.speech.sendVoice(props.id, recording, where())} onClose={quiet} />
        </Show>
        <div class="inner" hidden={isSpeaking()}>
          <label class="round attach">
            <Icon name="plus" />
            <span class="unseen">{t().attach}</span>
            <input type="file" multiple onChange={(event) => picked(event.currentTarget)} />
          </label>
          <Show when={isTouch && text() === ''}>
            <label class="round attach camera">
              <Icon name="camera" />
              <span class="unseen">{t().takePhoto}</span>
              <input type="file" accept="image/*" capture="environment" onChange={(event) => picked(event.currentTarget)} />
            </label>
          </Show>
          <Show when={!isTouch && 'mediaDevices' in navigator && text() === ''}>
            <button type="button" class="round camera" aria-label={t().takePhoto} aria-haspopup="dialog" onClick={() => setPosing(true)}>
              <Icon name="camera" />
            </button>
          </Show>
          <Show when={text() === ''}>
            <button type="button" class="round" aria-label={t().makePoll} aria-haspopup="dialog" onClick={() => props.onPoll()}>
              <Icon name="poll" />
            </button>
          </Show>
          <textarea
            ref={area}
            rows="1"
            value={text()}
            placeholder={t().write}
            aria-label={t().write}
            aria-autocomplete="list"
            aria-controls={mentions.shown().length > 0 ? listId : undefined}
            aria-activedescendant={mentions.shown().length > 0 ? calleeId(listId, mentions.at()) : undefined}
            enterkeyhint="send"
            onInput={(event) => {
              typed(event.currentTarget.value)
              mentions.look(event.currentTarget)
            }}
            onClick={() => mentions.look(area)}
            onBlur={() => mentions.close()}
            onKeyDown={pressed}
            onPaste={pasted}
          />
          <Show
            when={text().trim() === '' && props.about?.kind !== 'edit'}
            fallback={
              <button class="round go" aria-label={t().send} disabled={text().trim() === '' && !mayBeEmpty()}>
                <Icon name="send" />
              </button>
            }
          >
            <button ref={microphone} type="button" class="round" aria-label={t().speak} onClick={() => setSpeaking(true)}>
              <Icon name="mic" />
            </button>
          </Show>
        </div>
      </form>
      <Suspense>
        <Show when={isPosing()}>
          <Camera onPhoto={(photo) => (setPosing(false), props.onFiles([...props.files, photo]))} onClose={() => setPosing(false)} />
        </Show>
        <Show when={props.files.length > 0}>
          <Attachments files={props.files} onSend={sendFiles} onClose={() => props.onFiles([])} />
        </Show>
      </Suspense>
    </>
  )
}

/** Fetched when somebody first speaks. */
function Speaking(props: { onSend: (recording: Recording) => Promise<void>; onClose: () => void }): JSX.Element {
  return (
    <Suspense fallback={<p class="inner">{t().loading}</p>}>
      <Recorder {...props} />
    </Suspense>
  )
}
