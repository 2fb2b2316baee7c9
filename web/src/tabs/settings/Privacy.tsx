import { createSignal, For, type JSX } from 'solid-js'
import { localpart } from '../../data/rooms'
import { useClient } from '../../ui/client'
import { live } from '../../ui/live'
import { ReportForm } from '../Report'
import { Field, Group, saved } from './parts'
import { w } from './words'

const WHOLE_ID = /^@[^:\s]+:\S+$/

export function Privacy(): JSX.Element {
  return (
    <>
      <Ignored />
      <ReportPerson />
    </>
  )
}

function Ignored(): JSX.Element {
  const client = useClient()
  const ignored = live(client, 'rooms', () => client.account.ignored)
  const [wrong, setWrong] = createSignal<string>()
  async function add(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const user = String(new FormData(form).get('user') ?? '').trim()
    setWrong(WHOLE_ID.test(user) && user !== client.me ? undefined : w().notAnId)
    if (!wrong() && (await saved(client.self.setIgnored(user, true)))) form.reset()
  }
  return (
    <Group title={w().ignoredTitle} hint={w().ignoredHint}>
      <ul>
        <For each={ignored()} fallback={<li class="hint">{w().ignoredNone}</li>}>
          {(user) => (
            <li class="line-of">
              <span>
                {localpart(user)}
                <span class="hint">{user}</span>
              </span>
              <button type="button" class="plain" onClick={() => void saved(client.self.setIgnored(user, false))}>
                {w().unignore}
              </button>
            </li>
          )}
        </For>
      </ul>
      <form class="stack" onSubmit={(event) => void add(event)}>
        <Field label={w().ignoreWho} name="user" wrong={wrong()} />
        <p class="choices">
          <button class="plain">{w().ignore}</button>
        </p>
      </form>
    </Group>
  )
}

/** Of a person whom one knows by the id alone. */
function ReportPerson(): JSX.Element {
  const [user, setUser] = createSignal('')
  const isWhole = () => WHOLE_ID.test(user())
  return (
    <Group title={w().reportTitle} hint={w().reportLead}>
      <label class="field">
        <span>{w().reportWho}</span>
        <input autocapitalize="none" spellcheck={false} value={user()} onInput={(event) => setUser(event.currentTarget.value.trim())} />
      </label>
      <ReportForm what={{ user: user() }} disabled={!isWhole()} onDone={() => setUser('')} cancel={undefined} />
      <p class="hint" role="status">
        {isWhole() || !user() ? '' : w().notAnId}
      </p>
    </Group>
  )
}
