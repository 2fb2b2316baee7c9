import { createSignal, Show, type JSX } from 'solid-js'
import { useClient } from '../ui/client'
import { Dialog } from '../ui/Dialog'
import { explain } from '../ui/errors'
import { PeoplePicker, type Picked } from '../ui/PeoplePicker'
import { openRoom } from '../ui/route'
import { canEncrypt } from '../data/rooms'
import { t } from '../ui/settings'

/** One person makes a chat for two, several make a room; or one joins a room that somebody linked to. */
export function NewChat(props: { onClose: () => void }): JSX.Element {
  const client = useClient()
  const [picked, setPicked] = createSignal<Picked[]>([])
  const [isByLink, setByLink] = createSignal(false)
  const [isSecret, setSecret] = createSignal(false)
  const [wrong, setWrong] = createSignal('')
  let name: HTMLInputElement | undefined
  let address: HTMLInputElement | undefined

  async function open(made: Promise<string>): Promise<void> {
    try {
      openRoom(await made)
      props.onClose()
    } catch (error) {
      setWrong(explain(error))
    }
  }
  const create = () => {
    const people = picked().map((person) => person.user)
    return open(people.length === 1 && !name?.value ? client.chats.direct(people[0]!, isSecret()) : client.chats.group(name?.value ?? '', people, isSecret()))
  }
  return (
    <Dialog kind="page" title={t().newChat} onClose={props.onClose}>
      <div class="switches">
        <button type="button" aria-pressed={!isByLink()} onClick={() => setByLink(false)}>
          {t().friends}
        </button>
        <button type="button" aria-pressed={isByLink()} onClick={() => setByLink(true)}>
          {t().joinByLink}
        </button>
      </div>
      <div role="alert">
        <Show when={wrong()}>
          <p class="wrong">{wrong()}</p>
        </Show>
      </div>
      <Show
        when={isByLink()}
        fallback={
          <>
            <PeoplePicker picked={picked()} onChange={setPicked} />
            <Show when={picked().length > 0}>
              <div class="foot">
                <Show when={picked().length > 1}>
                  <label class="field">
                    <span>{t().groupName}</span>
                    <input ref={name} />
                  </label>
                </Show>
                <Show when={canEncrypt()}>
                  <label class="switch">
                    <input type="checkbox" role="switch" checked={isSecret()} onChange={(event) => setSecret(event.currentTarget.checked)} />
                    <span>
                      {t().secretChat}
                      <span class="small quiet">{t().secretChatHint}</span>
                    </span>
                  </label>
                </Show>
                <p class="choices">
                  <button type="button" class="strong wide" onClick={() => void create()}>
                    {picked().length > 1 ? t().createGroup(picked().length) : t().createOne}
                  </button>
                </p>
              </div>
            </Show>
          </>
        }
      >
        <form
          class="padded"
          onSubmit={(event) => {
            event.preventDefault()
            void open(client.chats.join(address?.value ?? ''))
          }}
        >
          <label class="field">
            <span>{t().joinAddress}</span>
            <input ref={address} required autocapitalize="none" spellcheck={false} />
          </label>
          <p class="choices">
            <button class="strong wide">{t().join}</button>
          </p>
        </form>
      </Show>
    </Dialog>
  )
}
