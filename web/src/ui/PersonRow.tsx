import { Show, type JSX } from 'solid-js'
import { Avatar } from './Avatar'
import { useClient } from './client'

/** What stands in a row of a list of people: photo, name, id. beside: a word after the name. */
export function PersonRow(props: { user: string; name: string; avatar?: string | undefined; beside?: string | undefined }): JSX.Element {
  const client = useClient()
  return (
    <>
      <Avatar media={client.media} id={props.user} name={props.name} uri={props.avatar} />
      <span class="what">
        <span class="name">
          <span>{props.name}</span>
          <Show when={props.beside}>
            <span class="quiet small">({props.beside})</span>
          </Show>
        </span>
        <span class="line">{props.user}</span>
      </span>
    </>
  )
}
