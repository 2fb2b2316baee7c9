import { createUniqueId, Show, type JSX } from 'solid-js'
import { explain } from '../../ui/errors'
import { say } from '../../ui/say'
import { t } from '../../ui/settings'

/** Says whether it was saved. */
export async function saved(done: Promise<unknown>): Promise<boolean> {
  try {
    await done
    say(t().saved)
    return true
  } catch (error) {
    say(explain(error))
    return false
  }
}

export function Group(props: { title: string; hint?: string; children: JSX.Element }): JSX.Element {
  return (
    <section class="group" aria-label={props.title}>
      <h2>{props.title}</h2>
      <Show when={props.hint}>
        <p class="hint">{props.hint}</p>
      </Show>
      {props.children}
    </section>
  )
}

/** A setting that is on or off. */
export function Toggle(props: { label: string; hint?: string; checked: boolean; disabled?: boolean; onChange: (is: boolean) => void }): JSX.Element {
  return (
    <label class="toggle">
      <span>
        {props.label}
        <Show when={props.hint}>
          <span class="hint">{props.hint}</span>
        </Show>
      </span>
      <input type="checkbox" role="switch" checked={props.checked} disabled={props.disabled ?? false} onChange={(event) => props.onChange(event.currentTarget.checked)} />
    </label>
  )
}

/** A field for a text that is needed; wrong: why it was not taken. */
export function Field(props: { label: string; name: string; type?: string; autocomplete?: string; wrong?: string | undefined; minlength?: number }): JSX.Element {
  const id = createUniqueId()
  return (
    <div class="field">
      <label class="label" for={id}>
        {props.label}
      </label>
      <input
        id={id}
        name={props.name}
        type={props.type ?? 'text'}
        required
        minlength={props.minlength ?? 1}
        autocomplete={props.autocomplete ?? 'off'}
        autocapitalize="none"
        spellcheck={false}
        aria-invalid={props.wrong ? 'true' : undefined}
        aria-describedby={`${id}-wrong`}
      />
      <p class="wrong-text" id={`${id}-wrong`} role="alert">
        {props.wrong}
      </p>
    </div>
  )
}
