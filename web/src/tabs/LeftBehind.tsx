import { createResource, createSignal, For, Show, type JSX } from 'solid-js'
import { useClient } from '../ui/client'
import { Confirm } from '../ui/Dialog'
import { t } from '../ui/settings'

/** Before somebody signs in: whose messages wait here. What they say is shown to nobody. */
export default function LeftBehind(): JSX.Element {
  const client = useClient()
  const [people, { refetch }] = createResource(() => client.doors.leftBehind())
  const [dropping, setDropping] = createSignal<string>()
  async function drop(user: string): Promise<void> {
    await client.doors.dropLeftBehind(user)
    setDropping(undefined)
    await refetch()
  }
  return (
    <>
      <For each={people() ?? []}>
        {({ user, count }) => (
          <div class="wrong" role="status">
            <p>{t().leftBehind(user, count)}</p>
            <p class="choices">
              <button type="button" class="plain" onClick={() => setDropping(user)}>
                {t().leftBehindDrop}
              </button>
            </p>
          </div>
        )}
      </For>
      <Show when={dropping()}>
        {(user) => <Confirm title={user()} text={t().leftBehindConfirm} action={t().leftBehindDrop} onClose={() => setDropping(undefined)} onYes={() => void drop(user())} />}
      </Show>
    </>
  )
}
