import { createResource, createSignal, For, Show, type JSX } from 'solid-js'
import { canEncrypt, localpart } from '../data/rooms'
import { Avatar } from '../ui/Avatar'
import { Choice } from '../ui/Choice'
import { useClient } from '../ui/client'
import { Confirm } from '../ui/Dialog'
import { explain } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { live } from '../ui/live'
import { openPage, pathOf, plainClick, route } from '../ui/route'
import { say } from '../ui/say'
import { language, setLanguage, setTextSize, setTheme, t, textSize, theme, type Language, type TextSize, type Theme } from '../ui/settings'
import { SECTIONS } from './sections'

/** Oneself, this browser, and the way out. */
export function More(): JSX.Element {
  const client = useClient()
  const [isLeaving, setLeaving] = createSignal(false)
  const [unsent] = createResource(isLeaving, () => client.doors.unsent())
  return (
    <>
      <header class="bar">
        <h1>{t().more}</h1>
      </header>
      <div class="scroll">
        <Profile />
        <Sections />
        <Display />
        <section class="group">
          <button type="button" class="plain wide" onClick={() => setLeaving(true)}>
            {t().signOut}
          </button>
        </section>
      </div>
      <Show when={isLeaving() && !unsent.loading}>
        <Confirm title={t().signOut} text={unsent() ? t().signOutUnsent(unsent()!) : t().signOutConfirm} action={t().signOut} onClose={() => setLeaving(false)} onYes={() => void client.doors.signOut().catch((error) => say(explain(error)))}>
          <Show when={client.encryption.isUsed}>
            <p class="wrong">{t().signOutKeys}</p>
          </Show>
        </Confirm>
      </Show>
    </>
  )
}

function Profile(): JSX.Element {
  const client = useClient()
  const profile = live(client, 'profile', () => client.self.profile)
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
          void done(client.self.setName(input.value.trim()))
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
          <input type="file" accept="image/*" onChange={(event) => event.currentTarget.files?.[0] && void done(client.self.setPhoto(event.currentTarget.files[0]))} />
        </label>
        <Show when={profile().avatar}>
          <button type="button" class="plain" onClick={() => void done(client.self.removePhoto())}>
            {t().removePhoto}
          </button>
        </Show>
      </p>
    </section>
  )
}

function Sections(): JSX.Element {
  return (
    <section aria-label={t().settings}>
      <ul class="services">
        <For each={SECTIONS}>
          {({ id, icon }) => (
            <li>
              <a href={pathOf({ tab: 'more', page: ['settings', id] })} aria-current={route().page?.[1] === id ? 'page' : undefined} onClick={plainClick(() => openPage('settings', id))}>
                <Icon name={icon} />
                {t().sections[id]}
              </a>
            </li>
          )}
        </For>
        <Show when={canEncrypt()}>
          <li>
            <a href={pathOf({ tab: 'more', page: ['encryption'] })} aria-current={route().page?.[0] === 'encryption' ? 'page' : undefined} onClick={plainClick(() => openPage('encryption'))}>
              <Icon name="lock" />
              {t().encryption}
            </a>
          </li>
        </Show>
      </ul>
    </section>
  )
}

function Display(): JSX.Element {
  const themes = (): [Theme, string][] => [
    ['system', t().themeSystem],
    ['light', t().themeLight],
    ['dark', t().themeDark],
  ]
  const sizes = (): [TextSize, string][] => [
    ['normal', t().sizeNormal],
    ['large', t().sizeLarge],
    ['larger', t().sizeLarger],
  ]
  const languages: [Language, string][] = [
    ['ko', '한국어'],
    ['en', 'English'],
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
