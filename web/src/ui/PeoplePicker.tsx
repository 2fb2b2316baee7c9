import { createResource, createSignal, For, Show, type JSX } from 'solid-js'
import { friends, localpart } from '../data/rooms'
import { useClient } from './client'
import { Icon } from './Icon'
import { later } from './later'
import { PersonRow } from './PersonRow'
import { compareNames, t } from './settings'

export interface Picked {
  user: string
  name: string
  avatar?: string | undefined
}

const WHOLE_ID = /^@[^:\s]+:\S+$/
const WAIT_MS = 200

/** Finds people: among friends at once, then in the server's directory; a whole id is always offered. */
export function PeoplePicker(props: { picked: readonly Picked[]; without?: readonly string[]; onChange: (picked: Picked[]) => void }): JSX.Element {
  const client = useClient()
  const [wanted, setWanted] = createSignal('')
  const known = friends(client.rooms(), client.account, client.me, compareNames).map((friend) => ({
    user: friend.user,
    name: friend.name ?? localpart(friend.user),
    avatar: friend.avatar,
  }))
  const [found] = createResource(wanted, async (words): Promise<Picked[]> => {
    if (words.length < 2) return []
    const told = await client.matrix.searchPeople(words).catch(() => ({ results: [] }))
    return told.results.map((person) => ({ user: person.user_id, name: person.display_name || localpart(person.user_id), avatar: person.avatar_url ?? undefined }))
  })
  const shown = (): Picked[] => {
    const words = wanted().toLocaleLowerCase()
    const near = known.filter((person) => `${person.name} ${person.user}`.toLocaleLowerCase().includes(words))
    const typed = WHOLE_ID.test(wanted()) ? [{ user: wanted(), name: localpart(wanted()) }] : []
    const all = [...near, ...(found.latest ?? []), ...typed]
    return all.filter((person, at) => person.user !== client.me && !props.without?.includes(person.user) && all.findIndex((one) => one.user === person.user) === at)
  }
  const isPicked = (user: string) => props.picked.some((one) => one.user === user)
  const toggle = (person: Picked) => props.onChange(isPicked(person.user) ? props.picked.filter((one) => one.user !== person.user) : [...props.picked, person])
  const typed = later((text: string) => setWanted(text.trim()), WAIT_MS)
  return (
    <>
      <div class="finder">
        <input type="search" placeholder={t().findPeople} aria-label={t().findPeople} autofocus autocapitalize="none" onInput={(event) => typed(event.currentTarget.value)} />
        <p class="hint">{t().findPeopleHint}</p>
      </div>
      <Show when={props.picked.length > 0}>
        <ul class="chips" aria-label={t().chosen}>
          <For each={props.picked}>
            {(person) => (
              <li>
                <button type="button" aria-label={t().remove(person.name)} onClick={() => toggle(person)}>
                  {person.name}
                  <Icon name="close" />
                </button>
              </li>
            )}
          </For>
        </ul>
      </Show>
      <ul class="scroll">
        <For each={shown()} fallback={<li class="empty">{wanted() ? t().nobodyFound : ''}</li>}>
          {(person) => (
            <li>
              <button type="button" class="entry" aria-pressed={isPicked(person.user)} onClick={() => toggle(person)}>
                <PersonRow {...person} />
                <Show when={isPicked(person.user)}>
                  <Icon name="check" />
                </Show>
              </button>
            </li>
          )}
        </For>
      </ul>
    </>
  )
}
