import { For, Match, Switch, type JSX } from 'solid-js'
import { Icon } from '../../ui/Icon'
import { openPage, pathOf, plainClick } from '../../ui/route'
import { t } from '../../ui/settings'
import type { PageProps } from '../pages'
import { SECTIONS } from '../sections'
import { AccountSettings } from './AccountSettings'
import { Notifications } from './Notifications'
import { OwnData } from './OwnData'
import { Privacy } from './Privacy'
import { Quiet } from './Quiet'
import './settings.css'

/** One section of the settings; without a name the list of them, for who came by the address alone. */
export default function Settings(props: PageProps): JSX.Element {
  return (
    <div class="scroll settings">
      <Switch fallback={<List />}>
        <Match when={props.ids[0] === 'notifications'}>
          <Notifications />
        </Match>
        <Match when={props.ids[0] === 'quiet'}>
          <Quiet />
        </Match>
        <Match when={props.ids[0] === 'account'}>
          <AccountSettings />
        </Match>
        <Match when={props.ids[0] === 'privacy'}>
          <Privacy />
        </Match>
        <Match when={props.ids[0] === 'data'}>
          <OwnData />
        </Match>
      </Switch>
    </div>
  )
}

function List(): JSX.Element {
  return (
    <ul class="services">
      <For each={SECTIONS}>
        {({ id, icon }) => (
          <li>
            <a href={pathOf({ tab: 'more', page: ['settings', id] })} onClick={plainClick(() => openPage('settings', id))}>
              <Icon name={icon} />
              {t().sections[id]}
            </a>
          </li>
        )}
      </For>
    </ul>
  )
}
