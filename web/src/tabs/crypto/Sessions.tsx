import { createResource, For, onCleanup, Show, type JSX } from 'solid-js'
import type { KnownSession } from '../../data/crypto/types'
import { useClient } from '../../ui/client'
import { Icon } from '../../ui/Icon'
import { orSayKeys } from './explain'
import { w } from './words'

/** One's own sessions, and which of them are vouched for. */
export function Sessions(): JSX.Element {
  const client = useClient()
  const [sessions, { refetch }] = createResource(() => client.encryption.ask('sessions', client.me).catch(() => [] as KnownSession[]))
  onCleanup(client.on('encryption', () => void refetch()))
  const isTrusted = () => sessions.latest?.some((session) => session.isThis && session.trust === 'verified')
  return (
    <section class="group">
      <h2>{w().sessions}</h2>
      <SessionList sessions={sessions.latest ?? []} onVerify={isTrusted() ? (device) => orSayKeys(client.encryption.ask('verifyOwn', device)) : undefined} />
    </section>
  )
}

export function SessionList(props: { sessions: readonly KnownSession[]; onVerify: ((device: string) => void) | undefined }): JSX.Element {
  return (
    <ul>
      <For each={props.sessions} fallback={<li class="quiet">{w().noSessions}</li>}>
        {(session) => (
          <li class="device">
            <span>
              {session.name || w().unnamed}
              <br />
              <span class="trust small" classList={{ bad: session.trust === 'unsigned' }}>
                <Icon name={session.trust === 'unsigned' ? 'warning' : session.trust === 'verified' ? 'check' : 'lock'} />
                {[session.isThis && w().thisSession, w()[session.trust], session.device].filter(Boolean).join(' · ')}
              </span>
            </span>
            <Show when={!session.isThis && session.trust !== 'verified' && props.onVerify}>
              {(verify) => (
                <button type="button" class="plain" onClick={() => verify()(session.device)}>
                  {w().verify}
                </button>
              )}
            </Show>
          </li>
        )}
      </For>
    </ul>
  )
}
