import { createResource, createSignal, For, Show, type JSX } from 'solid-js'
import type { Device } from '../../net/matrix'
import { useClient } from '../../ui/client'
import { Confirm } from '../../ui/Dialog'
import { explain } from '../../ui/errors'
import { say } from '../../ui/say'
import { dayAndClock, t } from '../../ui/settings'
import { Group } from './parts'

/** Where one is signed in, and the end of it. */
export function Sessions(): JSX.Element {
  const client = useClient()
  const [devices, { refetch }] = createResource(() => client.matrix.devices().then((told) => told.devices, () => [] as Device[]))
  const [ending, setEnding] = createSignal<Device>()
  let password!: HTMLInputElement
  async function end(device: Device): Promise<void> {
    try {
      await client.matrix.deleteDevice(device.device_id, client.me, password.value)
      setEnding(undefined)
      await refetch()
    } catch (error) {
      say(explain(error))
    }
  }
  return (
    <Group title={t().sessions}>
      <ul>
        <For each={devices.latest ?? []}>
          {(device) => (
            <li class="device">
              <span>
                {device.display_name || t().unnamedDevice}
                <br />
                <span class="quiet small">
                  {device.device_id === client.session?.device ? t().thisDevice : device.last_seen_ts ? t().lastSeen(dayAndClock(device.last_seen_ts)) : device.device_id}
                </span>
              </span>
              <Show when={device.device_id !== client.session?.device}>
                <button type="button" class="plain" onClick={() => setEnding(device)}>
                  {t().endSession}
                </button>
              </Show>
            </li>
          )}
        </For>
      </ul>
      <Show when={ending()}>
        {(device) => (
          <Confirm title={t().endSession} text={t().endSessionHint} action={t().endSession} onClose={() => setEnding(undefined)} onYes={() => void end(device())}>
            <label class="field">
              <span>{t().password}</span>
              <input ref={password} type="password" autocomplete="current-password" />
            </label>
          </Confirm>
        )}
      </Show>
    </Group>
  )
}
