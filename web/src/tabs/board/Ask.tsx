import { createSignal, For, type JSX } from 'solid-js'
import { KINDS, kindsOf } from '../../data/board'
import { momentOf, typedOf } from '../../data/booking'
import type { NewRequest } from '../../net/interface'
import { Dialog } from '../../ui/Dialog'
import { Field, read } from '../services/Parts'
import { sw } from '../services/words'
import { askForBed, type Desk } from './desk'
import { kindName, w } from './words'

const SEVERITIES = ['critical', 'urgent', 'ordinary'] as const

/** Somebody needs a bed. */
export function Ask(props: { desk: Desk; onClose: () => void }): JSX.Element {
  function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): void {
    event.preventDefault()
    const said = read(event.currentTarget)
    const deadline = momentOf(said['deadline'] ?? '')
    const body: NewRequest = {
      severity: said['severity'] as (typeof SEVERITIES)[number],
      needs: pickedKinds(event.currentTarget),
      place: placeOf(said),
      patient: said['patient'] ?? '',
      note: said['note'] ?? '',
      ...(deadline !== null && { deadline }),
    }
    askForBed(props.desk, body)
    props.onClose()
  }
  return (
    <Dialog kind="page" title={w().ask} onClose={props.onClose}>
      <form class="form" onSubmit={send}>
        <fieldset>
          <legend>{w().severity}</legend>
          <div class="picks">
            <For each={SEVERITIES}>
              {(one) => (
                <label>
                  <input type="radio" name="severity" value={one} checked={one === 'urgent'} />
                  {w().severities[one]}
                </label>
              )}
            </For>
          </div>
        </fieldset>
        <Kinds label={w().needs} />
        <PlaceFields />
        <Field label={`${w().patient} (${sw().optional})`} hint={w().patientHint}>
          <input name="patient" maxlength="40" autocomplete="off" pattern="[0-9A-Za-z가-힣][0-9A-Za-z가-힣._\-]*" />
        </Field>
        <Field label={`${w().note} (${sw().optional})`} hint={w().noteHint}>
          <input name="note" maxlength="200" autocomplete="off" />
        </Field>
        <Field label={`${w().deadline} (${sw().optional})`}>
          <input name="deadline" type="datetime-local" min={typedOf(Date.now())} />
        </Field>
        <button class="strong wide">{w().askIt}</button>
      </form>
    </Dialog>
  )
}

export function Kinds(props: { label: string; picked?: readonly string[] }): JSX.Element {
  const others = () => (props.picked ?? []).filter((kind) => !(KINDS as readonly string[]).includes(kind))
  return (
    <fieldset>
      <legend>{props.label}</legend>
      <div class="picks">
        <For each={KINDS}>
          {(kind) => (
            <label>
              <input type="checkbox" name="kind" value={kind} checked={props.picked?.includes(kind) ?? false} />
              {kindName(kind)}
            </label>
          )}
        </For>
      </div>
      <Field label={`${w().otherKinds} (${sw().optional})`}>
        <input name="others" maxlength="200" autocomplete="off" autocapitalize="none" value={others().join(', ')} />
      </Field>
    </fieldset>
  )
}

export const pickedKinds = (form: HTMLFormElement): string[] => {
  const said = new FormData(form)
  return [...new Set([...said.getAll('kind').map(String), ...kindsOf(String(said.get('others') ?? ''))])]
}

interface Spot {
  lat?: number | null
  lon?: number | null
  area?: string
}

/** An area by its name, and where exactly, as far as that is known. */
export function PlaceFields(props: { place?: Spot }): JSX.Element {
  const [spot, setSpot] = createSignal<Spot>(props.place ?? {})
  const locate = () => navigator.geolocation.getCurrentPosition(({ coords }) => setSpot({ lat: round(coords.latitude), lon: round(coords.longitude) }))
  return (
    <>
      <Field label={sw().area}>
        <input name="area" maxlength="100" value={props.place?.area ?? ''} />
      </Field>
      <details>
        <summary>{w().place}</summary>
        <p class="hint">{w().placeHint}</p>
        <div class="pair">
          <Field label={w().latitude}>
            <input name="lat" inputmode="decimal" pattern="-?[0-9]+(\.[0-9]+)?" value={spot().lat ?? ''} />
          </Field>
          <Field label={w().longitude}>
            <input name="lon" inputmode="decimal" pattern="-?[0-9]+(\.[0-9]+)?" value={spot().lon ?? ''} />
          </Field>
        </div>
        <p class="choices">
          <button type="button" class="plain" onClick={locate}>
            {w().here}
          </button>
        </p>
      </details>
    </>
  )
}

/** A hundred metres are near enough. */
const round = (degrees: number): number => Math.round(degrees * 1_000) / 1_000

export function placeOf(said: Record<string, string>): { area: string; lat?: number; lon?: number } {
  const { area = '', lat, lon } = said
  return { area, ...(lat && lon && { lat: Number(lat), lon: Number(lon) }) }
}
