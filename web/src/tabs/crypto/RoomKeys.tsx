import { createResource, createSignal, For, Match, onCleanup, Show, Switch, type JSX } from 'solid-js'
import type { KnownPerson } from '../../data/crypto/types'
import { memberName } from '../../data/rooms'
import type { Room } from '../../data/types'
import { Avatar } from '../../ui/Avatar'
import { useClient } from '../../ui/client'
import { Confirm } from '../../ui/Dialog'
import { orSay } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import { live } from '../../ui/live'
import { openRoom } from '../../ui/route'
import { explainKeys, orSayKeys } from './explain'
import { SessionList } from './Sessions'
import { w } from './words'

/** Whether a room is encrypted, and whose keys are in it. */
export function RoomKeys(props: { id: string }): JSX.Element {
  const client = useClient()
  const room = live(client, `room ${props.id}`, () => client.room(props.id))
  const [isAsking, setAsking] = createSignal(false)
  const encrypt = () => {
    setAsking(false)
    orSay(client.chats.encrypt(props.id))
  }
  return (
    <Show when={room()}>
      {(known) => (
        <Show
          when={known().encrypted}
          fallback={
            <section class="group card-of-keys">
              <h2>{w().roomClearTitle}</h2>
              <p>{w().roomClear}</p>
              <p class="choices">
                <button type="button" class="strong" onClick={() => setAsking(true)}>
                  {w().turnOn}
                </button>
              </p>
              <Show when={isAsking()}>
                <Confirm title={w().turnOn} text={w().turnOnConfirm} action={w().turnOn} onClose={() => setAsking(false)} onYes={encrypt} />
              </Show>
            </section>
          }
        >
          <section class="group card-of-keys good">
            <h2>
              <Icon name="lock" />
              {w().roomSecretTitle}
            </h2>
            <p>{w().roomSecret}</p>
            <p class="choices">
              <button type="button" class="plain" onClick={() => openRoom(props.id)}>
                {w().toChat}
              </button>
            </p>
          </section>
          <People room={known()} />
        </Show>
      )}
    </Show>
  )
}

function People(props: { room: Room }): JSX.Element {
  const client = useClient()
  const [people, { refetch }] = createResource(() => client.encryption.ask('people', props.room.id))
  onCleanup(client.on('encryption', () => void refetch()))
  return (
    <section class="group">
      <h2>{w().people}</h2>
      <Switch fallback={<p class="quiet">{w().loading}</p>}>
        <Match when={people.error}>
          <p class="quiet">{explainKeys(people.error)}</p>
        </Match>
        <Match when={people.latest}>
          {(all) => (
            <ul>
              <For each={all()} fallback={<li class="quiet">{w().nobody}</li>}>
                {(person) => <PersonOfRoom person={person} room={props.room} />}
              </For>
            </ul>
          )}
        </Match>
      </Switch>
    </section>
  )
}

const BAD = new Set<KnownPerson['trust']>(['changed', 'renewed'])

function PersonOfRoom(props: { person: KnownPerson; room: Room }): JSX.Element {
  const client = useClient()
  const name = () => memberName(props.room, props.person.user)
  const isBad = () => BAD.has(props.person.trust)
  const mayVerify = () => props.person.trust === 'known' || isBad()
  const verify = async () => client.encryption.ask('verifyPerson', props.person.user, await client.chats.direct(props.person.user))
  const verifySession = (device: string) => orSayKeys(client.encryption.ask('verifySession', props.person.user, device))
  return (
    <li class="person">
      <div class="device">
        <Avatar media={client.media} id={props.person.user} name={name()} uri={props.room.members[props.person.user]?.avatar} />
        <span>
          {name()}
          <br />
          <span class="trust small" classList={{ bad: isBad() }}>
            <Icon name={isBad() ? 'warning' : props.person.trust === 'verified' ? 'check' : 'lock'} />
            {w().person[props.person.trust]}
          </span>
        </span>
      </div>
      <p class="choices">
        <Show when={isBad()}>
          <button type="button" class="plain" onClick={() => orSayKeys(client.encryption.ask('accept', props.person.user))}>
            {w().acceptChange}
          </button>
        </Show>
        <Show when={mayVerify()}>
          <button type="button" class="plain" onClick={() => orSayKeys(verify())}>
            {w().verify}
          </button>
        </Show>
      </p>
      <Show when={props.person.sessions.length > 0}>
        <details>
          <summary>{w().sessionsOf(props.person.sessions.length)}</summary>
          <SessionList sessions={props.person.sessions} onVerify={props.person.trust === 'sessions' ? verifySession : undefined} />
        </details>
      </Show>
    </li>
  )
}
