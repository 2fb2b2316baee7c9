import { createEffect, createSignal, on, onCleanup, onMount, Show, type JSX } from 'solid-js'
import { memberName } from '../data/rooms'
import type { Message } from '../data/timeline'
import type { Room } from '../data/types'
import { useClient } from '../ui/client'
import { Icon } from '../ui/Icon'
import { t } from '../ui/settings'

/** What the text is about: an answer to a message, or another wording of one. */
export type About = { kind: 'reply' | 'edit'; message: Message }

interface Props {
  id: string
  room: Room | undefined
  about: About | undefined
  onAbout: (about: About | undefined) => void
  onFiles: (files: File[]) => void
  onSent: () => void
}

const DRAFT_MS = 400

export function Composer(props: Props): JSX.Element {
  const client = useClient()
  const [text, setText] = createSignal(client.draft(props.id))
  const isTouch = matchMedia('(pointer: coarse)').matches
  let area!: HTMLTextAreaElement
  let timer: ReturnType<typeof setTimeout> | undefined

  onMount(() => {
    if (!isTouch) area.focus()
  })
  const keep = () => {
    clearTimeout(timer)
    timer = undefined
    if (props.about?.kind !== 'edit') void client.keepDraft(props.id, text())
  }
  onCleanup(() => timer !== undefined && keep())
  createEffect(
    on(
      () => props.about,
      (about) => {
        if (about?.kind === 'edit') setText(about.message.body)
        if (about) area.focus()
      },
      { defer: true },
    ),
  )

  function typed(value: string): void {
    setText(value)
    clearTimeout(timer)
    timer = setTimeout(keep, DRAFT_MS)
    client.typed(props.id, value !== '')
  }

  function send(): void {
    const body = text().trim()
    if (!body) return
    const { about } = props
    if (about?.kind === 'edit') void client.edit(props.id, about.message.id!, body)
    else void client.say(props.id, body, about?.message)
    typed('')
    keep()
    props.onAbout(undefined)
    props.onSent()
    area.focus()
  }

  function pressed(event: KeyboardEvent): void {
    if (event.key === 'Escape' && props.about) leaveAbout()
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || isTouch) return
    event.preventDefault()
    send()
  }

  function leaveAbout(): void {
    if (props.about?.kind === 'edit') typed('')
    props.onAbout(undefined)
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
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <Show when={props.about}>
        {(about) => (
          <div class="about">
            <span>
              <strong>{about().kind === 'edit' ? t().editing : t().replyTo(memberName(props.room, about().message.sender))}</strong>
              <span class="line">{about().message.body}</span>
            </span>
            <button type="button" class="round" aria-label={t().cancel} onClick={leaveAbout}>
              <Icon name="close" />
            </button>
          </div>
        )}
      </Show>
      <div class="inner">
        <label class="round attach">
          <Icon name="plus" />
          <span class="unseen">{t().attach}</span>
          <input type="file" multiple onChange={(event) => picked(event.currentTarget)} />
        </label>
        <textarea
          ref={area}
          rows="1"
          value={text()}
          placeholder={t().write}
          aria-label={t().write}
          enterkeyhint="send"
          onInput={(event) => typed(event.currentTarget.value)}
          onKeyDown={pressed}
          onPaste={pasted}
        />
        <button class="round go" aria-label={t().send} disabled={text().trim() === ''}>
          <Icon name="send" />
        </button>
      </div>
    </form>
  )
}
