import { createSignal, Show, type JSX } from 'solid-js'
import type { Link } from '../../data/links'
import { Words } from '../../ui/Words'
import { DangerousLink } from '../DangerousLink'

/** What a channel says of itself: its addresses can be followed, and those that may be a trap are asked about. */
export function Linked(props: { text: string }): JSX.Element {
  const [danger, setDanger] = createSignal<Link>()
  return (
    <div class="about-text">
      <Words body={props.text} onDanger={setDanger} />
      <Show when={danger()} keyed>
        {(link) => <DangerousLink link={link} onClose={() => setDanger(undefined)} />}
      </Show>
    </div>
  )
}
