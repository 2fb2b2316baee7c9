import { createSignal, Show, type JSX } from 'solid-js'
import { say } from '../../ui/say'
import { Field, Pending } from '../services/Parts'
import { isOwner, type SectionProps } from './shop'
import { intentName, wishesIn } from './wishes'
import { w } from './words'
import { ow } from './words/people'

/** For ever, so its name is written out. */
export default function Close(props: SectionProps): JSX.Element {
  const { shop } = props
  const [typed, setTyped] = createSignal('')
  const wishes = wishesIn(shop, 'close', () => {
    say(ow().closeDone)
    shop.poke()
  })
  function send(event: SubmitEvent): void {
    event.preventDefault()
    wishes.want('POST /_bongsu/v1/channels/{channel_id}/close', {}, undefined)
  }
  return (
    <>
      <Pending intents={wishes.intents()} nameOf={intentName} errors={w().errors} />
      <Show when={isOwner(shop)}>
        <form class="block fields" onSubmit={send}>
          <p>{ow().closeHint}</p>
          <Field label={ow().closeType(shop.channel().name)}>
            <input name="name" required autocomplete="off" onInput={(event) => setTyped(event.currentTarget.value)} />
          </Field>
          <button class="strong danger" disabled={typed().trim() !== shop.channel().name || wishes.isBusy()}>
            {ow().closeDo}
          </button>
        </form>
      </Show>
    </>
  )
}
