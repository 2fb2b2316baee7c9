import { Match, Show, Switch, type JSX } from 'solid-js'
import { useClient } from '../../ui/client'
import { orSay } from '../../ui/errors'
import { live } from '../../ui/live'
import { openPage } from '../../ui/route'
import type { PageProps } from '../pages'
import { Views } from '../services/Parts'
import { sw } from '../services/words'
import { Desk } from './Desk'
import { Find } from './Find'
import { Mine } from './Mine'
import { OfferView } from './OfferView'
import { Provide } from './Provide'
import { w } from './words'
import './booking.css'

type View = 'find' | 'mine' | 'provide'

const HOLDS: Record<string, View> = { find: 'find', mine: 'mine', provide: 'provide', offer: 'find', desk: 'provide' }

/** Places to book, one's bookings, and what one offers to others. */
export function Booking(props: PageProps): JSX.Element {
  const view = (): View => HOLDS[props.ids[0] ?? 'find'] ?? 'find'
  const at = (name: string) => (props.ids[0] === name ? props.ids[1] : undefined)
  const views = () => (['find', 'mine', 'provide'] as const).map((name) => ({ name, text: w()[name] }))
  return (
    <div class="service booking">
      <Views label={sw().views} views={views()} now={view()} onPick={(name: View) => openPage('booking', name)} />
      <div class="scroll">
        <div class="stack">
          <Invited />
          <Switch fallback={<Find />}>
            <Match when={at('offer')} keyed>
              {(id) => <OfferView id={id} />}
            </Match>
            <Match when={at('desk')} keyed>
              {(id) => <Desk id={id} />}
            </Match>
            <Match when={view() === 'mine'}>
              <Mine />
            </Match>
            <Match when={view() === 'provide'}>
              <Provide />
            </Match>
          </Switch>
        </div>
      </div>
    </div>
  )
}

/** The service tells people in a room of its own, which they must have joined to hear it. */
function Invited(): JSX.Element {
  const client = useClient()
  const server = client.me.slice(client.me.indexOf(':'))
  const room = live(client, 'rooms', () => client.rooms().find((one) => one.membership === 'invite' && one.inviter === `@bookings${server}`))
  return (
    <Show when={room()}>
      {(invited) => (
        <p class="card-line">
          <span>{w().invited}</span>
          <button type="button" class="plain" onClick={() => orSay(client.chats.join(invited().id))}>
            {w().hear}
          </button>
        </p>
      )}
    </Show>
  )
}
