import { createMemo, createSignal, For, Show, type JSX } from 'solid-js'
import { isVariableName, variablesIn, variablesOf } from '../../data/manage'
import type { CoreButton, Kind, NewTemplate, Variable, VersionSaid } from '../../net/interface'
import { Field, read } from '../services/Parts'
import { ButtonRows } from './parts'
import { isEditor, type Shop } from './shop'
import { Example } from './Templates'
import type { Wishes } from './wishes'
import { w } from './words'
import { tw } from './words/templates'

const BODY_MAX = 1_000
const BUTTONS_MAX = 5
const LABEL_MAX = 20
const VALUE_MAX = 200
const KINDS: readonly Kind[] = ['text', 'number', 'amount', 'date', 'time', 'code']
const REASONS: readonly NewTemplate['reason'][] = ['order', 'payment', 'delivery', 'reservation', 'health', 'security', 'public', 'service']

/** before: the version that is changed. It stays until what was written is taken. */
export function TemplateForm(props: { shop: Shop; wishes: Wishes; before: VersionSaid | undefined }): JSX.Element {
  const { before } = props
  const [body, setBody] = createSignal(before?.body ?? '')
  const [links, setLinks] = createSignal((before?.buttons ?? []).filter(({ kind }) => kind === 'link').map(({ label, url = '' }) => ({ label, url })))
  const [replies, setReplies] = createSignal((before?.buttons ?? []).flatMap(({ kind, label }) => (kind === 'reply' ? [label] : [])).join('\n'))
  const [known, setKnown] = createSignal<readonly Variable[]>(before?.variables ?? [])
  const buttons = createMemo((): CoreButton[] => [
    ...links().map(({ label, url }) => ({ kind: 'link' as const, label, url })),
    ...replies()
      .split('\n')
      .flatMap((line) => (line.trim() ? [{ kind: 'reply' as const, label: line.trim() }] : [])),
  ])
  const text = () => ({ body: body(), buttons: buttons() })
  const variables = createMemo(() => variablesOf(text(), known()))
  const names = createMemo(() => variablesIn(text()), undefined, { equals: (one, other) => one.join('\n') === other.join('\n') })
  const bad = () => names().find((name) => !isVariableName(name))
  const tooMany = () => buttons().length > BUTTONS_MAX
  const change = (name: string, part: Partial<Variable>) => setKnown(variables().map((variable) => (variable.name === name ? { ...variable, ...part } : variable)))
  let area!: HTMLTextAreaElement
  function insert(): void {
    area.setRangeText(`#{${tw().variableName}${names().length + 1}}`, area.selectionStart, area.selectionEnd, 'end')
    setBody(area.value)
    area.focus()
  }
  function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): void {
    event.preventDefault()
    const said = read(event.currentTarget)
    const form: NewTemplate = { name: said['name'] ?? '', reason: said['reason'] as NewTemplate['reason'], body: body().trim(), variables: variables(), buttons: buttons() }
    if (before) props.wishes.want('PUT /_bongsu/v1/channels/{channel_id}/templates/{template_id}', { template_id: before.template_id }, form, before.template_id)
    else props.wishes.want('POST /_bongsu/v1/channels/{channel_id}/templates', {}, form)
  }
  return (
    <Show when={isEditor(props.shop)} fallback={<p class="empty">{w().notYours}</p>}>
      <div class="beside">
        <form class="block fields" onSubmit={send}>
          <div class="pair">
            <Field label={tw().name} hint={tw().nameHint}>
              <input name="name" required maxlength="50" value={before?.name ?? ''} />
            </Field>
            <Field label={tw().reason}>
              <select name="reason">
                <For each={REASONS}>
                  {(reason) => (
                    <option value={reason} selected={reason === before?.reason}>
                      {tw().reasons[reason]}
                    </option>
                  )}
                </For>
              </select>
            </Field>
          </div>
          <Field label={tw().body} hint={tw().bodyHint}>
            <textarea ref={area} name="body" required rows="7" maxlength={BODY_MAX} value={body()} onInput={(event) => setBody(event.currentTarget.value)} />
          </Field>
          <p>
            <button type="button" class="plain" onClick={insert}>
              {tw().insert}
            </button>
          </p>
          <Show when={names().length > 0}>
            <fieldset class="rows">
              <legend>{tw().variables}</legend>
              <p class="hint">{tw().variablesHint}</p>
              <For each={names()}>{(name) => <OfVariable name={name} find={() => variables().find((one) => one.name === name)} onChange={(part) => change(name, part)} />}</For>
            </fieldset>
          </Show>
          <Show when={bad() !== undefined}>
            <p class="wrong" role="status">
              {tw().badName(bad()!)}
            </p>
          </Show>
          <ButtonRows buttons={links()} max={BUTTONS_MAX} labelMax={LABEL_MAX} onChange={setLinks} />
          <p class="hint">{tw().buttonsHint}</p>
          <Field label={tw().replies} hint={tw().repliesHint}>
            <textarea name="replies" rows="2" value={replies()} onInput={(event) => setReplies(event.currentTarget.value)} />
          </Field>
          <Show when={tooMany()}>
            <p class="wrong" role="status">
              {tw().tooMany}
            </p>
          </Show>
          <button class="strong wide" disabled={bad() !== undefined || tooMany() || props.wishes.isBusy()}>
            {tw().saveDraft}
          </button>
        </form>
        <Example shop={props.shop} of={{ body: body(), variables: variables(), buttons: buttons() }} />
      </div>
    </Show>
  )
}

function OfVariable(props: { name: string; find: () => Variable | undefined; onChange: (part: Partial<Variable>) => void }): JSX.Element {
  return (
    <div class="row">
      <code>{props.name}</code>
      <select aria-label={tw().kindOf(props.name)} onChange={(event) => props.onChange({ kind: event.currentTarget.value as Kind })}>
        <For each={KINDS}>
          {(kind) => (
            <option value={kind} selected={kind === (props.find()?.kind ?? 'text')}>
              {tw().kinds[kind]}
            </option>
          )}
        </For>
      </select>
      <input
        type="number"
        min="1"
        max={VALUE_MAX}
        required
        aria-label={tw().maxOf(props.name)}
        value={props.find()?.characters_max ?? 50}
        onChange={(event) => props.onChange({ characters_max: event.currentTarget.valueAsNumber || 50 })}
      />
    </div>
  )
}
