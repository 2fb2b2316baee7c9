import { createMemo, createSignal, For, Index, Show, type Accessor, type JSX } from 'solid-js'
import { uploaded } from '../../data/self'
import { useClient } from '../../ui/client'
import { copy } from '../../ui/copy'
import { Dialog } from '../../ui/Dialog'
import { explain } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import { Picture } from '../../ui/Picture'
import { say } from '../../ui/say'
import { t } from '../../ui/settings'
import { give } from '../services/sight'
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

/** A secret that is told once: the window closes when somebody says that they have it. */
export function Secret(props: { title: string; secret: string | undefined; lost: string; onClose: () => void }): JSX.Element {
  return (
    <Dialog title={props.title} isFirm onClose={props.onClose}>
      <div class="padded secret">
        <Show when={props.secret} fallback={<p class="wrong">{props.lost}</p>}>
          {(secret) => (
            <>
              <p>{w().secretOnce}</p>
              <p>
                <code>{secret()}</code>
              </p>
              <p class="choices">
                <button type="button" class="plain" onClick={() => copy(secret())}>
                  {w().copy}
                </button>
              </p>
            </>
          )}
        </Show>
        <p class="choices">
          <button type="button" class="strong" onClick={() => props.onClose()}>
            {props.secret ? w().secretKept : t().close}
          </button>
        </p>
      </div>
    </Dialog>
  )
}

/** A message as a follower reads it. */
export function Bubble(props: { label: string; from: string; picture?: string | undefined; body: string; children?: JSX.Element }): JSX.Element {
  const client = useClient()
  return (
    <figure class="preview" aria-label={props.label}>
      <figcaption class="quiet small">{props.label}</figcaption>
      <div class="preview-room">
        <p class="small">
          <strong>{props.from}</strong>
        </p>
        <div class="preview-bubble">
          <Show when={props.picture} keyed>
            {(uri) => <Picture media={client.media} uri={uri} size={{ width: 640, height: 640 }} alt="" />}
          </Show>
          <p class="preview-text">{props.body}</p>
          {props.children}
        </div>
      </div>
    </figure>
  )
}

/** A file that the server makes. */
export function Export(props: { of: () => Promise<Blob>; name: string; text: string }): JSX.Element {
  const [isOn, setOn] = createSignal(false)
  async function fetch(): Promise<void> {
    setOn(true)
    try {
      give(await props.of(), props.name)
    } catch (error) {
      say(explain(error))
    }
    setOn(false)
  }
  return (
    <button type="button" class="plain" disabled={isOn()} onClick={() => void fetch()}>
      {props.text}
    </button>
  )
}

interface Buttons {
  label: string
  url: string
}

/** Links under a message: a label and an address each. */
export function ButtonRows(props: { buttons: readonly Buttons[]; max: number; labelMax: number; urlPattern?: string; onChange: (buttons: Buttons[]) => void }): JSX.Element {
  const change = (at: number, part: Partial<Buttons>) => props.onChange(props.buttons.map((button, index) => (index === at ? { ...button, ...part } : button)))
  return (
    <fieldset class="rows">
      <legend>{w().buttons}</legend>
      <Index each={props.buttons}>
        {(button, at) => (
          <div class="row" role="group" aria-label={w().buttonNumber(at + 1)}>
            <input aria-label={w().label} placeholder={w().label} required maxlength={props.labelMax} value={button().label} onInput={(event) => change(at, { label: event.currentTarget.value })} />
            <input
              aria-label={w().address}
              placeholder="https://"
              type="text"
              inputmode="url"
              required
              maxlength="1000"
              pattern={props.urlPattern ?? 'https://\\S+'}
              title={w().addressHint}
              value={button().url}
              onInput={(event) => change(at, { url: event.currentTarget.value.trim() })}
            />
            <button type="button" class="round" aria-label={w().removeButton(at + 1)} onClick={() => props.onChange(props.buttons.filter((_, index) => index !== at))}>
              <Icon name="close" />
            </button>
          </div>
        )}
      </Index>
      <Show when={props.buttons.length < props.max}>
        <button type="button" class="plain" onClick={() => props.onChange([...props.buttons, { label: '', url: '' }])}>
          {w().addButton}
        </button>
      </Show>
    </fieldset>
  )
}

/** A name that programs or other people are told. */
export function CopyLine(props: { label: string; text: string }): JSX.Element {
  return (
    <p class="copy-line">
      <span class="quiet small">{props.label}</span> <code>{props.text}</code>{' '}
      <button type="button" class="plain" aria-label={`${w().copy}: ${props.label}`} onClick={() => copy(props.text)}>
        {w().copy}
      </button>
    </p>
  )
}

/** Some of several values. */
export function Ticks<T extends string>(props: {
  label: string
  hint?: string
  values: readonly (readonly [T, string])[]
  chosen: readonly string[]
  onChange: (chosen: string[]) => void
}): JSX.Element {
  const toggle = (value: T, is: boolean) => props.onChange(is ? [...props.chosen, value] : props.chosen.filter((one) => one !== value))
  return (
    <fieldset>
      <legend>{props.label}</legend>
      <Show when={props.hint}>
        <p class="hint">{props.hint}</p>
      </Show>
      <For each={props.values}>
        {([value, text]) => (
          <label class="check">
            <input type="checkbox" value={value} checked={props.chosen.includes(value)} onChange={(event) => toggle(value, event.currentTarget.checked)} />
            <span>{text}</span>
          </label>
        )}
      </For>
    </fieldset>
  )
}

/** What became of it when a chain of entries was calculated anew. */
export const Whole = (props: { faults: readonly string[] }): JSX.Element => (
  <p class={props.faults.length > 0 ? 'wrong' : 'good-line'} role="status">
    {props.faults.length > 0 ? `${w().broken} (${props.faults.join('; ')})` : w().whole}
  </p>
)

/** A list that is looked at again and again: each row stays the one that it was, with what is focused in it. */
export function Rows<T>(props: { rows: readonly T[] | undefined; id: (row: T) => string; fallback: JSX.Element; children: (row: Accessor<T>) => JSX.Element }): JSX.Element {
  const byId = createMemo(() => new Map((props.rows ?? []).map((row) => [props.id(row), row])))
  return (
    <For each={[...byId().keys()]} fallback={props.fallback}>
      {(id) => {
        const row = createMemo<T>((before) => byId().get(id) ?? before, byId().get(id)!)
        return props.children(row)
      }}
    </For>
  )
}
