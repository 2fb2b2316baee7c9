import { createResource, createSignal, Match, onCleanup, Show, Switch, type JSX } from 'solid-js'
import type { KnownPerson, Standing } from '../../data/crypto/types'
import { memberName } from '../../data/rooms'
import type { Room } from '../../data/types'
import { useClient } from '../../ui/client'
import { openPage } from '../../ui/route'
import { w } from './words'
import './crypto.css'

const PAUSE_MS = 400
const LATER = 'setUpLater'
const LATER_MS = 7 * 86_400_000 // who does not want to now is asked again after a week

interface Look {
  standing: Standing | undefined
  people: KnownPerson[]
}

const isChanged = ({ trust }: KnownPerson): boolean => trust === 'changed' || trust === 'renewed'
const hasStranger = ({ trust, sessions }: KnownPerson): boolean => trust === 'verified' && sessions.some((session) => session.trust === 'unsigned')

/** What somebody should know before they write in an encrypted room: one sentence, the gravest. */
export function RoomNotice(props: { room: Room }): JSX.Element {
  const client = useClient()
  const [look, { refetch }] = createResource<Look>(async () => {
    const people = client.encryption.ask('people', props.room.id).catch(() => [])
    const standing = client.encryption.ask('standing').catch(() => undefined)
    return { people: await people, standing: await standing }
  })
  const [isLater, setLater] = createSignal(Date.now() - Number(localStorage.getItem(LATER) ?? 0) < LATER_MS)
  const later = () => {
    localStorage.setItem(LATER, String(Date.now()))
    setLater(true)
  }
  let timer: ReturnType<typeof setTimeout>
  const again = () => {
    clearTimeout(timer)
    timer = setTimeout(() => void refetch(), PAUSE_MS)
  }
  onCleanup(client.on('encryption', again))
  onCleanup(() => clearTimeout(timer))
  const names = (which: (person: KnownPerson) => boolean) => (look.latest?.people ?? []).filter(which).map(({ user }) => memberName(props.room, user)).join(', ')
  const identity = () => look.latest?.standing?.identity
  return (
    <div role="status">
      <Switch>
        <Match when={names(isChanged)}>{(who) => <Line bad text={w().changedNotice(who())} action={w().toPeople} onPress={() => openPage('encryption', props.room.id)} />}</Match>
        <Match when={names(hasStranger)}>{(who) => <Line bad text={w().unsignedNotice(who())} action={w().toPeople} onPress={() => openPage('encryption', props.room.id)} />}</Match>
        <Match when={identity() === 'elsewhere'}>
          <Line text={w().lockedNotice} action={w().unlock} onPress={() => openPage('encryption')} />
        </Match>
        <Match when={!isLater() && (identity() === 'none' || look.latest?.standing?.hasRecovery === false)}>
          <Line text={w().setUpNotice} action={w().makeRecovery} onPress={() => openPage('encryption')} onLater={later} />
        </Match>
      </Switch>
    </div>
  )
}

function Line(props: { text: string; action: string; bad?: boolean; onPress: () => void; onLater?: () => void }): JSX.Element {
  return (
    <p class="keys-notice" classList={{ bad: props.bad }}>
      <span>{props.text}</span>
      <button type="button" onClick={() => props.onPress()}>
        {props.action}
      </button>
      <Show when={props.onLater}>
        {(later) => (
          <button type="button" onClick={() => later()()}>
            {w().later}
          </button>
        )}
      </Show>
    </p>
  )
}
