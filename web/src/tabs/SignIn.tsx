import { createSignal, lazy, Show, Suspense, type JSX } from 'solid-js'
import { codeOf } from '../data/failures'
import { arrived, leaveToSignIn } from '../ui/byBrowser'
import { useClient } from '../ui/client'
import { explain, explainSignIn } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { deviceName } from '../ui/phrases'
import { language, setLanguage, t } from '../ui/settings'

const LeftBehind = lazy(() => import('./LeftBehind'))

/** The door: sign in, or make an account. */
export function SignIn(): JSX.Element {
  const client = useClient()
  const [isNew, setNew] = createSignal(false)
  const [needsCode, setNeedsCode] = createSignal(false)
  const [wrong, setWrong] = createSignal('')
  const [isBusy, setBusy] = createSignal(false)

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const field = (name: string) => String(form.get(name) ?? '').trim()
    setBusy(true)
    setWrong('')
    try {
      if (isNew()) await client.doors.signUp(field('user'), String(form.get('password')), deviceName(), field('code'))
      else await client.doors.signIn(field('user'), String(form.get('password')), deviceName())
    } catch (error) {
      if (codeOf(error) === 'BONGSU_TOKEN_WANTED') setNeedsCode(true)
      setWrong(explainSignIn(error, isNew()))
    } finally {
      setBusy(false)
    }
  }

  async function byPasskey(): Promise<void> {
    setBusy(true)
    setWrong('')
    setWrong(await import('./passkeys/showing').then(({ signIn }) => signIn(client), explain))
    setBusy(false)
  }

  async function finish(token: string): Promise<void> {
    setBusy(true)
    await client.doors.signInByToken(token, deviceName()).catch(() => setWrong(t().byBrowserFailed))
    setBusy(false)
  }
  if (arrived) void finish(arrived)
  else if (arrived === null) setWrong(t().byBrowserFailed)

  return (
    <main class="gate">
      <Hill />
      <form class="form" onSubmit={(event) => void submit(event)}>
        <div class="title">
          <h1>{t().app}</h1>
          <p>{t().tagline}</p>
        </div>
        <Suspense>
          <LeftBehind />
        </Suspense>
        <label class="field">
          <span>{t().userName}</span>
          <input name="user" required autocomplete="username" autocapitalize="none" spellcheck={false} />
        </label>
        <label class="field">
          <span>{t().password}</span>
          <input name="password" type="password" required minlength={isNew() ? 8 : 1} autocomplete={isNew() ? 'new-password' : 'current-password'} />
          <Show when={isNew()}>
            <p class="hint">{t().passwordHint}</p>
          </Show>
        </label>
        <Show when={isNew() && needsCode()}>
          <label class="field">
            <span>{t().invitationCode}</span>
            <input name="code" autocomplete="off" spellcheck={false} />
            <p class="hint">{t().invitationCodeHint}</p>
          </label>
        </Show>
        <div role="alert">
          <Show when={wrong()}>
            <p class="wrong">{wrong()}</p>
          </Show>
        </div>
        <button class="strong wide" disabled={isBusy()}>
          {isBusy() ? (isNew() ? t().signingUp : t().signingIn) : isNew() ? t().signUp : t().signIn}
        </button>
        <Show when={!isNew()}>
          <button type="button" class="plain wide" disabled={isBusy()} onClick={() => void byPasskey()}>
            <Icon name="key" />
            {t().byPasskey}
          </button>
          <button type="button" class="flip" disabled={isBusy()} onClick={leaveToSignIn}>
            {t().byBrowser}
          </button>
        </Show>
        <button type="button" class="flip" onClick={() => (setNew(!isNew()), setWrong(''))}>
          {isNew() ? t().toSignIn : t().toSignUp}
        </button>
        <div class="spoken" role="group" aria-label={t().language}>
          <button type="button" lang="ko" aria-pressed={language() === 'ko'} onClick={() => setLanguage('ko')}>
            한국어
          </button>
          <button type="button" lang="en" aria-pressed={language() === 'en'} onClick={() => setLanguage('en')}>
            English
          </button>
        </div>
      </form>
    </main>
  )
}

/** Hills at dusk, and a fire on each: the news is on its way. */
function Hill(): JSX.Element {
  return (
    <div class="hill" aria-hidden="true">
      <svg viewBox="0 0 800 240" preserveAspectRatio="xMidYMax slice">
        <path d="M0 150c90-20 150-70 230-64s120 62 220 50 150-86 240-80 80 30 110 40v144H0Z" fill="#173641" />
        <path d="M0 206c110-10 170-54 290-46s180 52 300 36 150-40 210-36v80H0Z" fill="#0e2731" />
        <g class="fire">
          <path d="M232 58c-7 6-11 12-9 19 1 5 5 8 9 8s8-3 9-8c1-5-1-9-4-12 0 2 0 4-1 5 0-5-1-8-4-12Z" fill="#ff8a1f" />
          <path d="M232 70c-3 3-4 6-4 9s2 5 4 5 4-2 4-5-2-5-4-9Z" fill="#ffe9a8" />
        </g>
        <g class="fire">
          <path d="M690 30c-6 5-9 10-8 16 1 4 5 7 8 7s7-3 8-7c1-4-1-8-4-10 0 2 0 3-1 4 0-4-1-7-3-10Z" fill="#ff8a1f" opacity=".85" />
        </g>
      </svg>
    </div>
  )
}
