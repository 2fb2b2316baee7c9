import { createResource, createSignal, For, type JSX } from 'solid-js'
import { memberName } from '../data/rooms'
import type { Room } from '../data/types'
import { Avatar } from '../ui/Avatar'
import { useClient } from '../ui/client'
import { Dialog } from '../ui/Dialog'
import { later } from '../ui/later'
import { summary } from '../ui/phrases'
import { shortTime, t } from '../ui/settings'

const WAIT_MS = 150

/** Looks through what this device has seen of a room. */
export function Search(props: { room: Room; onClose: () => void; onJump: (event: string) => void }): JSX.Element {
  const client = useClient()
  const [wanted, setWanted] = createSignal('')
  const [found] = createResource(wanted, (words) => client.find(props.room.id, words))
  const typed = later((text: string) => setWanted(text.trim()), WAIT_MS)
  const all = () => (wanted() ? (found.latest ?? []) : [])
  return (
    <Dialog kind="page" title={t().searchRoom} onClose={props.onClose}>
      <div class="finder">
        <input type="search" autofocus placeholder={t().search} aria-label={t().search} onInput={(event) => typed(event.currentTarget.value)} />
        <p class="hint" role="status">
          {wanted() && !found.loading ? (all().length > 0 ? t().searchFound(all().length) : t().searchEmpty) : ''}
        </p>
      </div>
      <ul class="scroll">
        <For each={all()}>
          {(entry) => (
            <li>
              <button type="button" class="entry" onClick={() => props.onJump(entry.id)}>
                <Avatar media={client.media} id={entry.sender} name={memberName(props.room, entry.sender)} uri={props.room.members[entry.sender]?.avatar} />
                <span class="what">
                  <span class="name">{memberName(props.room, entry.sender)}</span>
                  <span class="line">{summary(entry.type, entry.content)}</span>
                </span>
                <span class="side">
                  <time>{shortTime(entry.ts)}</time>
                </span>
              </button>
            </li>
          )}
        </For>
      </ul>
    </Dialog>
  )
}
