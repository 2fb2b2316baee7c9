import { createEffect, lazy, Match, Show, Suspense, Switch, type JSX } from 'solid-js'
import { useClient } from '../ui/client'
import { Dialog } from '../ui/Dialog'
import { explain } from '../ui/errors'
import { Icon, type IconName } from '../ui/Icon'
import { live } from '../ui/live'
import { bannerText } from '../ui/phrases'
import { usePushes } from '../ui/pushes'
import { go, isOnStage, openRoom, plainClick, route, type Tab } from '../ui/route'
import { closeReport, reported } from '../ui/reporting'
import { Said, say } from '../ui/say'
import { badge, dress, t } from '../ui/settings'
import { Chats } from './Chats'
import { Friends } from './Friends'
import { More } from './More'
import { Page } from './Page'
import { Room } from './Room'
import { Services } from './Services'
import { SignIn } from './SignIn'

const VerifyDialog = lazy(() => import('./crypto/VerifyDialog').then(({ VerifyDialog }) => ({ default: VerifyDialog })))
const Report = lazy(() => import('./Report'))

export function App(): JSX.Element {
  const client = useClient()
  const session = live(client, 'session', () => client.session)
  createEffect(dress)
  client.onRefused = (code) => say(explain(code))
  return (
    <>
      <Show when={session()} fallback={<SignIn />}>
        <Frame />
      </Show>
      <Show when={reported()}>
        {(what) => (
          <Suspense>
            <Report what={what()} onClose={closeReport} />
          </Suspense>
        )}
      </Show>
      <Said />
    </>
  )
}

function Frame(): JSX.Element {
  usePushes(useClient())
  return (
    <div class="frame" classList={{ 'in-room': isOnStage(route()) }}>
      <Banner />
      <TabBar />
      <main class="pane">
        <Switch>
          <Match when={route().tab === 'friends'}>
            <Friends />
          </Match>
          <Match when={route().tab === 'chats'}>
            <Chats />
          </Match>
          <Match when={route().tab === 'services'}>
            <Services />
          </Match>
          <Match when={route().tab === 'more'}>
            <More />
          </Match>
        </Switch>
      </main>
      <Show when={route().join}>{(address) => <Join address={address()} />}</Show>
      <Switch fallback={<Nothing />}>
        <Match when={route().room} keyed>
          {(room) => <Room id={room} />}
        </Match>
        <Match when={route().page}>{(page) => <Page path={page()} />}</Match>
      </Switch>
      <Verifying />
    </div>
  )
}

/** Somebody opened an invitation link. */
function Join(props: { address: string }): JSX.Element {
  const client = useClient()
  const join = () =>
    client.chats.join(props.address).then(openRoom, (error) => {
      say(explain(error))
      go({ tab: 'chats' })
    })
  return (
    <Dialog kind="small" title={t().joinConfirm} onClose={() => route().join && go({ tab: 'chats' })}>
      <div class="padded">
        <p>{props.address}</p>
        <p class="choices">
          <button type="button" class="plain" onClick={() => go({ tab: 'chats' })}>
            {t().cancel}
          </button>
          <button type="button" class="strong" onClick={() => void join()}>
            {t().join}
          </button>
        </p>
      </div>
    </Dialog>
  )
}

/** Somebody wants to be verified, or is being. */
function Verifying(): JSX.Element {
  const client = useClient()
  const flow = live(client, 'encryption', () => client.encryption.flows[0])
  return (
    <Suspense>
      <Show when={flow()}>{(one) => <VerifyDialog flow={one()} />}</Show>
    </Suspense>
  )
}

function Nothing(): JSX.Element {
  return (
    <div class="stage">
      <div class="nothing">
        <img src="/app/icon.svg" alt="" width="80" height="80" />
        <p>{t().tagline}</p>
      </div>
    </div>
  )
}

function Banner(): JSX.Element {
  const client = useClient()
  const health = live(client, 'health', () => client.health)
  return (
    <div role="status">
      <Show when={bannerText(health())}>
        {(text) => (
          <p class="banner">
            <span class="flame" aria-hidden="true" />
            {text()}
          </p>
        )}
      </Show>
    </div>
  )
}

const TABS: readonly { tab: Tab; icon: IconName }[] = [
  { tab: 'friends', icon: 'friends' },
  { tab: 'chats', icon: 'chats' },
  { tab: 'services', icon: 'services' },
  { tab: 'more', icon: 'more' },
]

function TabBar(): JSX.Element {
  const client = useClient()
  const unread = live(client, 'rooms', () => client.unreadTotal())
  createEffect(() => badge(unread()))
  return (
    <nav class="tabs" aria-label={t().tabs}>
      {TABS.map(({ tab, icon }) => (
        <a href={`/app/${tab}`} aria-current={route().tab === tab ? 'page' : undefined} onClick={plainClick(() => go({ tab }))}>
          <Icon name={icon} />
          {t()[tab]}
          <Show when={tab === 'chats' && unread() > 0}>
            <span class="count">
              <span aria-hidden="true">{unread() > 999 ? '999+' : unread()}</span>
              <span class="unseen">{t().unreadCount(unread())}</span>
            </span>
          </Show>
        </a>
      ))}
    </nav>
  )
}
