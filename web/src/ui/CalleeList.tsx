import { createEffect, For, Show, type JSX } from 'solid-js'
import { localpart } from '../data/rooms'
import type { Room } from '../data/types'
import { Avatar } from './Avatar'
import { useClient } from './client'
import type { Mentions } from './mentions'
import { t } from './settings'

export const calleeId = (id: string, at: number): string => `${id}-${at}`

/** Who can be called, above the text; the keys stay in the text, which names the chosen one. */
export function CalleeList(props: { id: string; room: Room | undefined; mentions: Mentions }): JSX.Element {
  const client = useClient()
  let list: HTMLUListElement | undefined
  createEffect(() => list?.children[props.mentions.at()]?.scrollIntoView({ block: 'nearest' }))
  return (
    <>
      <p class="unseen" role="status">
        {t().calleesFound(props.mentions.shown().length)}
      </p>
      <Show when={props.mentions.shown().length > 0}>
        <ul ref={list} id={props.id} class="callees" role="listbox" aria-label={t().callees} onPointerDown={(event) => event.preventDefault()}>
          <For each={props.mentions.shown()}>
            {(callee, at) => (
              <li id={calleeId(props.id, at())} role="option" aria-selected={at() === props.mentions.at()} onClick={() => props.mentions.pick(callee)}>
                <Avatar media={client.media} id={callee.user} name={callee.name} uri={props.room?.members[callee.user]?.avatar} group={!callee.user} />
                <span>{callee.name}</span>
                <Show when={callee.user}>
                  <span class="quiet small">@{localpart(callee.user)}</span>
                </Show>
              </li>
            )}
          </For>
        </ul>
      </Show>
    </>
  )
}
