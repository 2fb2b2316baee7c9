import { createResource, createSignal, For, Show, type JSX } from 'solid-js'
import { canEncrypt, localpart } from '../data/rooms'
import type { Device } from '../net/matrix'
import { Avatar } from '../ui/Avatar'
import { useClient } from '../ui/client'
import { Confirm } from '../ui/Dialog'
import { explain } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { live } from '../ui/live'
import { openPage } from '../ui/route'
import { say } from '../ui/say'
import { dayAndClock, language, setLanguage, setTextSize, setTheme, t, textSize, theme, type Language, type TextSize, type Theme } from '../ui/settings'

/** Oneself, this browser, and the way out. */
export function More(): JSX.Element {
  const client = useClient()
  const [isLeaving, setLeaving] = createSignal(false)
  const [unsent] = createResource(isLeaving, () => client.unsent())
  return (
    <>
      <header class="bar">
        <h1>{t().more}</h1>
      </header>
      <div class="scroll">
        <Profile />
        <Display />
        <Sessions />
        <Show when={canEncrypt()}>
          <section class="group">
            <button type="button" class="plain wide" onClick={() => openPage('encryption')}>
              <Icon name="lock" />
              {t().encryption}
            </button>
          </section>
        </Show>
        <section class="group">
          <button type="button" class="plain wide" onClick={() => setLeaving(true)}>
            {t().signOut}
          </button>
        </section>
      </div>
      <Show when={isLeaving()}>
        <Confirm title={t().signOut} text={unsent() ? t().signOutUnsent(unsent()!) : t().signOutConfirm} action={t().signOut} onClose={() => setLeaving(false)} onYes={() => void client.signOut()} />
      </Show>
    </>
  )
}

function Profile(): JSX.Element {
  const client = useClient()
  const profile = live(client, 'profile', () => client.profile)
  const name = () => profile().name ?? localpart(client.me)
  let input!: HTMLInputElement
  const done = (change: Promise<void>) =>
    change.then(
      () => say(t().saved),
      (error) => say(explain(error)),
    )
  return (
    <section class="group" aria-label={t().myProfile}>
      <div class="me">
        <Avatar media={client.media} id={client.me} name={name()} uri={profile().avatar} />
        <span>
          <strong>{name()}</strong>
          <span class="quiet small">{client.me}</span>
        </span>
      </div>
      <form
        class="with-button"
        onSubmit={(event) => {
          event.preventDefault()
          void done(client.setName(input.value.trim()))
        }}
      >
        <label class="field">
          <span>{t().profileName}</span>
          <input ref={input} value={name()} required maxlength="100" />
        </label>
        <button class="plain">{t().save}</button>
      </form>
      <p class="choices">
        <label class="plain attach">
          {t().changePhoto}
          <input type="file" accept="image/*" onChange={(event) => event.currentTarget.files?.[0] && void done(client.setPhoto(event.currentTarget.files[0]))} />
        </label>
      </p>
    </section>
  )
}

function Choice<T extends string>(props: { label: string; value: T; values: readonly { value: T; text: string }[]; onChange: (value: T) => void }): JSX.Element {
  return (
    <div role="group" aria-label={props.label}>
      <span class="label">{props.label}</span>
      <div class="switches">
        <For each={props.values}>
          {(one) => (
            <button type="button" aria-pressed={props.value === one.value} onClick={() => props.onChange(one.value)}>
              {one.text}
            </button>
          )}
        </For>
      </div>
    </div>
  )
}

function Display(): JSX.Element {
  const themes = (): { value: Theme; text: string }[] => [
    { value: 'system', text: t().themeSystem },
    { value: 'light', text: t().themeLight },
    { value: 'dark', text: t().themeDark },
  ]
  const sizes = (): { value: TextSize; text: string }[] => [
    { value: 'normal', text: t().sizeNormal },
    { value: 'large', text: t().sizeLarge },
    { value: 'larger', text: t().sizeLarger },
  ]
  const languages: { value: Language; text: string }[] = [
    { value: 'ko', text: '한국어' },
    { value: 'en', text: 'English' },
  ]
  return (
    <section class="group">
      <h2>{t().display}</h2>
      <Choice label={t().theme} value={theme()} values={themes()} onChange={setTheme} />
      <Choice label={t().language} value={language()} values={languages} onChange={setLanguage} />
      <Choice label={t().textSize} value={textSize()} values={sizes()} onChange={setTextSize} />
    </section>
  )
}

function Sessions(): JSX.Element {
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
    <section class="group">
      <h2>{t().sessions}</h2>
      <ul>
        <For each={devices() ?? []}>
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
    </section>
  )
}
