import { For, type JSX } from 'solid-js'

/** One of a few values, each with what it is called. */
export function Choice<T extends string>(props: { label: string; value: T | undefined; values: readonly (readonly [T, string])[]; onChange: (value: T) => void }): JSX.Element {
  return (
    <div role="group" aria-label={props.label}>
      <span class="label">{props.label}</span>
      <div class="switches">
        <For each={props.values}>
          {([value, text]) => (
            <button type="button" aria-pressed={props.value === value} onClick={() => props.onChange(value)}>
              {text}
            </button>
          )}
        </For>
      </div>
    </div>
  )
}
