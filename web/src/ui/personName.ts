import { createSignal, type Accessor } from 'solid-js'
import type { Client } from '../data/client'
import { localpart } from '../data/rooms'

const names = new WeakMap<Client, Map<string, Accessor<string>>>()

/** What a person is called who need be in no room of ours. Asked once; until it is known, and where it is not, their id's name. */
export function personName(client: Client, user: string): string {
  const known = names.get(client) ?? new Map<string, Accessor<string>>()
  names.set(client, known)
  let name = known.get(user)
  if (!name) {
    const [told, tell] = createSignal(localpart(user))
    known.set(user, (name = told))
    client.matrix.profile(user).then(
      ({ displayname }) => displayname && tell(displayname),
      () => known.delete(user),
    )
  }
  return name()
}
