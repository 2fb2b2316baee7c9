import { createMemo, createSignal, For, Show, type JSX } from 'solid-js'
import { friends, localpart } from '../data/rooms'
import { useClient } from '../ui/client'
import { explain } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { live } from '../ui/live'
import { PersonRow } from '../ui/PersonRow'
import { openRoom } from '../ui/route'
import { say } from '../ui/say'
import { compareNames, t } from '../ui/settings'
import { Empty } from './Chats'
import { NewChat } from './NewChat'

/** Everybody one talks with; a press opens the room for two. */
export function Friends(): JSX.Element {
  const client = useClient()
  const all = live(client, 'rooms', () => friends(client.rooms(), client.account, client.me, compareNames))
  const profile = live(client, 'profile', () => client.self.profile)
  const [wanted, setWanted] = createSignal('')
  const [isNew, setNew] = createSignal(false)
  const shown = createMemo(() => {
    const words = wanted().normalize('NFC').toLocaleLowerCase()
    return all().filter((friend) => `${friend.name ?? ''} ${friend.user}`.toLocaleLowerCase().includes(words))
  })
  const talk = (user: string) => client.chats.direct(user).then(openRoom, (error) => say(explain(error)))
  const myName = () => profile().name ?? localpart(client.me)
  return (
    <>
      <header class="bar">
        <h1>{t().friends}</h1>
        <button type="button" class="round" aria-label={t().newChat} onClick={() => setNew(true)}>
          <Icon name="plus" />
        </button>
      </header>
      <div class="finder">
        <input type="search" placeholder={t().search} aria-label={t().search} onInput={(event) => setWanted(event.currentTarget.value)} />
      </div>
      <div class="scroll">
        <div class="entry">
          <PersonRow user={client.me} name={myName()} avatar={profile().avatar} />
        </div>
        <h2 class="heading">
          {t().friends} {all().length}
        </h2>
        <Show when={all().length > 0} fallback={<Empty title={t().noFriends} hint={t().noFriendsHint} />}>
          <ul>
            <For each={shown()}>
              {(friend) => (
                <li>
                  <button type="button" class="entry" onClick={() => void talk(friend.user)}>
                    <PersonRow user={friend.user} name={friend.name ?? localpart(friend.user)} avatar={friend.avatar} />
                  </button>
                </li>
              )}
            </For>
          </ul>
        </Show>
      </div>
      <Show when={isNew()}>
        <NewChat onClose={() => setNew(false)} />
      </Show>
    </>
  )
}
