import { createEffect, createSignal, For, on, onMount, Show, type JSX } from 'solid-js'
import type { Json } from '../../net/matrix'
import { contentOf } from '../../data/content'
import { isFinal, mayGive, mayRemove, mayUnban, POWER_LEVELS, roleOf, seesBanned, withRole, type Role } from '../../data/roles'
import { level, localpart } from '../../data/rooms'
import type { Member, Room } from '../../data/types'
import { useClient } from '../../ui/client'
import { Confirm, Dialog } from '../../ui/Dialog'
import { explain } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import { live } from '../../ui/live'
import { PersonRow } from '../../ui/PersonRow'
import { report } from '../../ui/reporting'
import { openRoom } from '../../ui/route'
import { say } from '../../ui/say'
import { compareNames, t } from '../../ui/settings'
import './talk.css'
import { w } from './words'

interface Person extends Member {
  user: string
  name: string
}

/** Who is in a room and as what; those who may change it do it here. */
export default function Members(props: { room: Room }): JSX.Element {
  const client = useClient()
  const [managed, setManaged] = createSignal<Person>()
  onMount(() => void client.chats.loadMembers(props.room.id).catch(() => {}))
  const all = (): Person[] =>
    Object.entries(props.room.members)
      .filter(([, member]) => member.membership === 'join')
      .map(([user, member]) => ({ ...member, user, name: member.name ?? localpart(user) }))
      .toSorted((left, right) => level(props.room, right.user) - level(props.room, left.user) || compareNames(left.name, right.name))
  return (
    <>
      <h3 class="heading">{t().members(props.room.joined)}</h3>
      <ul>
        <For each={all()}>{(person) => <Row room={props.room} person={person} onManage={() => setManaged(person)} />}</For>
      </ul>
      <Show when={seesBanned(props.room, client.me)}>
        <Banned room={props.room} />
      </Show>
      <Show when={managed()} keyed>
        {(person) => <Manage room={props.room} person={person} onClose={() => setManaged(undefined)} />}
      </Show>
    </>
  )
}

function Row(props: { room: Room; person: Person; onManage: () => void }): JSX.Element {
  const client = useClient()
  const role = () => roleOf(props.room, props.person.user)
  return (
    <li class="entry">
      <PersonRow user={props.person.user} name={props.person.name} avatar={props.person.avatar} beside={props.person.user === client.me ? t().you : undefined} />
      <Show when={role() !== 'member'}>
        <span class="tag">{w().roles[role()]}</span>
      </Show>
      <Show when={mayDoAny(props.room, client.me, props.person.user)}>
        <button type="button" class="round" aria-haspopup="dialog" aria-label={w().manage(props.person.name)} onClick={() => props.onManage()}>
          <Icon name="menu" />
        </button>
      </Show>
    </li>
  )
}

const mayDoAny = (room: Room, me: string, user: string): boolean => me !== user || mayGive(room, me, user).length > 0

type Given = Exclude<Role, 'owner'>
type Asked = { act: 'kick' | 'ban' } | { role: Given }

/** What can be done about one person. */
function Manage(props: { room: Room; person: Person; onClose: () => void }): JSX.Element {
  const client = useClient()
  const [asked, setAsked] = createSignal<Asked>()
  const { user } = props.person // of one person, also when the window has closed
  const room = props.room.id
  const isMe = user === client.me
  const isIgnored = live(client, 'rooms', () => client.account.ignored.includes(user))
  const tell = () => {
    props.onClose()
    report({ user })
  }
  async function run(what: () => Promise<unknown>): Promise<void> {
    props.onClose()
    try {
      await what()
      say(w().done)
    } catch (error) {
      say(explain(error))
    }
  }
  const give = (role: Given) =>
    run(async () => {
      const before: Json = await client.matrix.state(room, POWER_LEVELS)
      await client.matrix.setState(room, POWER_LEVELS, withRole(before, user, role))
    })
  const press = (role: Given) => (isFinal(props.room, client.me, user, role) ? setAsked({ role }) : void give(role))
  const talk = async () => {
    props.onClose()
    await client.chats.direct(user).then(openRoom, (error) => say(explain(error)))
  }
  return (
    <Show
      when={!asked()}
      fallback={
        <Ask
          asked={asked()!}
          name={props.person.name}
          isMe={isMe}
          onClose={props.onClose}
          onYes={() => {
            const now = asked()!
            void ('role' in now ? give(now.role) : run(() => client.matrix.remove(now.act, room, user)))
          }}
        />
      }
    >
      <Dialog title={props.person.name} onClose={() => !asked() && props.onClose()}>
        <div class="menu">
          <Show when={!isMe}>
            <button type="button" onClick={() => void talk()}>
              <Icon name="chats" />
              {w().talk}
            </button>
            <button type="button" onClick={() => void run(() => client.self.setIgnored(user, !isIgnored()))}>
              <Icon name="shield" />
              {isIgnored() ? t().unblock : t().block}
            </button>
            <button type="button" onClick={tell}>
              <Icon name="warning" />
              {t().report}
            </button>
          </Show>
          <For each={mayGive(props.room, client.me, user)}>
            {(role) => (
              <button type="button" onClick={() => press(role)}>
                <Icon name="star" />
                {w().give(w().roles[role])}
              </button>
            )}
          </For>
          <For each={['kick', 'ban'] as const}>
            {(act) => (
              <Show when={mayRemove(props.room, client.me, user, act)}>
                <button type="button" class="danger" onClick={() => setAsked({ act })}>
                  <Icon name="close" />
                  {w()[act]}
                </button>
              </Show>
            )}
          </For>
        </div>
      </Dialog>
    </Show>
  )
}

function Ask(props: { asked: Asked; name: string; isMe: boolean; onYes: () => void; onClose: () => void }): JSX.Element {
  const words = () => {
    const { asked } = props
    if ('role' in asked) {
      const role = w().roles[asked.role]
      return { action: w().give(role), text: props.isMe ? w().lowerConfirm(role) : w().giveConfirm(props.name, role) }
    }
    return { action: w()[asked.act], text: asked.act === 'kick' ? w().kickConfirm(props.name) : w().banConfirm(props.name) }
  }
  return <Confirm title={words().action} text={words().text} action={words().action} onClose={props.onClose} onYes={props.onYes} />
}

/** Asked of the server: a sync tells little of those who are not here. */
function Banned(props: { room: Room }): JSX.Element {
  const client = useClient()
  const [banned, setBanned] = createSignal<{ user: string; name: string }[]>([])
  const load = () =>
    void client.matrix.membersWho('ban', props.room.id).then(
      ({ chunk }) => setBanned(chunk.map(({ state_key: user = '', content }) => ({ user, name: contentOf(content).displayname ?? localpart(user) }))),
      () => {},
    )
  const known = () => Object.values(props.room.members).filter(({ membership }) => membership === 'ban').length
  createEffect(on(known, load)) // whenever a sync tells of another one
  const unban = (user: string) =>
    client.matrix.remove('unban', props.room.id, user).then(
      () => setBanned(banned().filter((one) => one.user !== user)),
      (error) => say(explain(error)),
    )
  return (
    <Show when={banned().length > 0}>
      <h3 class="heading">{w().banned}</h3>
      <ul>
        <For each={banned()}>
          {({ user, name }) => (
            <li class="entry">
              <PersonRow user={user} name={name} />
              <Show when={mayUnban(props.room, client.me, user)}>
                <button type="button" class="plain" onClick={() => void unban(user)}>
                  {w().unban}
                </button>
              </Show>
            </li>
          )}
        </For>
      </ul>
    </Show>
  )
}
