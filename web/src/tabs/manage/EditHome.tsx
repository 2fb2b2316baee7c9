import { createSignal, Show, type JSX } from 'solid-js'
import { say } from '../../ui/say'
import { t } from '../../ui/settings'
import { Field, Pending, read } from '../services/Parts'
import { PictureField } from './parts'
import { isEditor, type SectionProps } from './shop'
import { intentName, wishesIn } from './wishes'
import { w } from './words'

/** What customers see first. */
export default function EditHome(props: SectionProps): JSX.Element {
  const shop = props.shop
  const before = shop.channel()
  const [avatar, setAvatar] = createSignal(before.avatar ?? '')
  const [name, setName] = createSignal(before.name)
  const wishes = wishesIn(shop, 'home', (done) => {
    const near = ((done.answer?.['resembles'] as { name: string }[] | undefined) ?? []).map((one) => one.name).join(', ')
    say(near ? w().near(near) : w().saved)
    shop.poke()
  })
  function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): void {
    event.preventDefault()
    const said = read(event.currentTarget)
    wishes.want('PUT /_bongsu/v1/channels/{channel_id}', {}, { name: said['name'] ?? '', about: said['about'] ?? '', avatar: avatar() })
  }
  return (
    <>
      <Pending intents={wishes.intents()} nameOf={intentName} errors={w().errors} />
      <form class="block fields" onSubmit={send}>
        <fieldset disabled={!isEditor(shop)}>
          <PictureField label={w().picture} uri={avatar() || undefined} onPick={(chosen) => setAvatar(chosen?.uri ?? '')} />
          <Field label={w().name} hint={w().nameHint}>
            <input name="name" required maxlength="40" value={before.name} onInput={(event) => setName(event.currentTarget.value)} />
          </Field>
          <Show when={shop.channel().mark && name().trim() !== shop.channel().name}>
            <p class="wrong" role="status">
              {w().renameLoses}
            </p>
          </Show>
          <Field label={w().about} hint={w().aboutHint}>
            <textarea name="about" maxlength="500" rows="5">
              {before.about}
            </textarea>
          </Field>
          <button class="strong" disabled={wishes.isBusy()}>
            {t().save}
          </button>
        </fieldset>
      </form>
    </>
  )
}
