import { createEffect, For, Show, type JSX } from 'solid-js'
import { linkOf, pieces, type Link } from '../data/links'
import { sanitise } from '../data/sanitise'

/** The text of a message. Links that may be a trap are asked about before they open. */
export function Words(props: { body: string; html?: string | undefined; me?: string; onDanger: (link: Link) => void }): JSX.Element {
  function clicked(event: MouseEvent): void {
    const anchor = (event.target as Element).closest('a')
    const link = anchor && linkOf(anchor.href, anchor.textContent ?? '')
    const danger = anchor?.dataset['danger'] as Link['danger']
    if (!link || !danger) return
    event.preventDefault()
    props.onDanger({ ...link, danger })
  }
  return (
    <div class="words" onClick={clicked}>
      <Show when={props.html} fallback={<Plain body={props.body} />}>
        {(html) => <Rich html={html()} me={props.me} />}
      </Show>
    </div>
  )
}

function Plain(props: { body: string }): JSX.Element {
  return (
    <For each={pieces(props.body)}>
      {(piece) => (
        <Show when={piece.link} fallback={piece.text}>
          {(link) => (
            <a href={link().href} target="_blank" rel="noreferrer noopener" title={link().host} data-danger={link().danger}>
              {piece.text}
            </a>
          )}
        </Show>
      )}
    </For>
  )
}

function Rich(props: { html: string; me: string | undefined }): JSX.Element {
  let place!: HTMLDivElement
  createEffect(() => place.replaceChildren(sanitise(props.html, props.me)))
  return <div class="rich" ref={place} />
}
