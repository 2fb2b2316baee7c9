import { createSignal, type JSX } from 'solid-js'
import { dayInput, startOfDay } from '../../data/dates'
import { codeOf } from '../../data/failures'
import { useClient } from '../../ui/client'
import { Dialog } from '../../ui/Dialog'
import { explain } from '../../ui/errors'
import { say } from '../../ui/say'
import './talk.css'
import { w } from './words'

/** Goes to the first message of a day. ts: of the day that the picker begins with. */
export default function DateJump(props: { room: string; ts: number; onJump: (event: string) => void; onClose: () => void }): JSX.Element {
  const client = useClient()
  const [wanted, setWanted] = createSignal(dayInput(props.ts))
  async function go(event: Event): Promise<void> {
    event.preventDefault()
    const start = startOfDay(wanted())
    if (start === undefined) return
    try {
      props.onJump(await client.past.eventAt(props.room, start))
    } catch (error) {
      say(codeOf(error) === 'M_NOT_FOUND' ? w().nothingThere : explain(error))
    }
  }
  return (
    <Dialog kind="small" title={w().toDate} onClose={props.onClose}>
      <form class="padded date-jump" onSubmit={(event) => void go(event)}>
        <label class="field">
          <span>{w().date}</span>
          <input type="date" autofocus required max={dayInput(Date.now())} value={wanted()} onInput={(event) => setWanted(event.currentTarget.value)} />
        </label>
        <button class="strong">{w().go}</button>
      </form>
    </Dialog>
  )
}
