import { createEffect, createMemo, createSignal, For, on, Show, type JSX } from 'solid-js'
import { blocksOf, closingOf, DAYS, faultOf, hoursFrom, NO_WEEK, timeText, weekOf, type Day, type Span, type Week } from '../../../data/channelDesk'
import { isOpen as isUnderWay } from '../../../data/intents'
import type { SettingsSaid } from '../../../net/interface'
import { dayAndClock } from '../../../ui/settings'
import { isOwner } from '../../manage/shop'
import { Field, Fresh, read } from '../../services/Parts'
import type { Place } from './place'
import { isOfSettings, setHours, settle } from './wishes'
import { w } from './words'

const OFFICE: Span = { opens: 540, closes: 1_080 }

/** When somebody is there, and what is said when nobody is. The owner changes it, agents look at it. */
export function Hours(props: { place: Place }): JSX.Element {
  const { settings } = props.place
  return (
    <div class="scroll">
      <div class="stack cdesk-hours">
        <Show when={!isOwner(props.place.shop)}>
          <p class="quiet">{w().ownerOnly}</p>
        </Show>
        <WeekOf place={props.place} />
        <Show when={settings.value()} fallback={<Fresh of={settings} />}>
          {(known) => <Texts place={props.place} settings={known()} />}
        </Show>
      </div>
    </div>
  )
}

function WeekOf(props: { place: Place }): JSX.Element {
  const { shop } = props.place
  const stored = createMemo(() => JSON.stringify(shop.channel().hours))
  const kept = () => weekOf(shop.channel().hours)
  const [week, setWeek] = createSignal<Week>(kept())
  const [isAlways, setAlways] = createSignal(shop.channel().hours.length === 0)
  const reset = () => {
    setWeek(kept())
    setAlways(shop.channel().hours.length === 0)
  }
  createEffect(on(stored, reset, { defer: true }))
  const wanted = () => (isAlways() ? [] : hoursFrom(week()))
  const isChanged = () => JSON.stringify(wanted()) !== JSON.stringify(hoursFrom(kept())) || (isAlways() && shop.channel().hours.length > 0)
  const fault = () => (isAlways() ? undefined : faultOf(week()))
  const isBusy = () => props.place.intents().some((intent) => isOfSettings(intent) && isUnderWay(intent))
  const change = (day: Day, spans: readonly Span[]) => setWeek({ ...week(), [day]: spans })
  const copy = () => setWeek({ ...week(), tue: week().mon, wed: week().mon, thu: week().mon, fri: week().mon })
  const set = (is: boolean) => {
    setAlways(is)
    if (!is && hoursFrom(week()).length === 0) setWeek({ ...NO_WEEK, mon: [OFFICE], tue: [OFFICE], wed: [OFFICE], thu: [OFFICE], fri: [OFFICE] })
  }
  return (
    <section class="block" aria-labelledby="cdesk-week">
      <h3 id="cdesk-week">{w().hoursTitle}</h3>
      <p class="small quiet">{w().hoursHint}</p>
      <Picture week={isAlways() ? undefined : week()} />
      <Show when={isOwner(shop)}>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            if (!fault()) setHours(shop.client, shop.id, wanted())
          }}
        >
          <div class="picks" role="radiogroup" aria-label={w().hoursTitle}>
            <label>
              <input type="radio" name="always" checked={isAlways()} onChange={() => set(true)} />
              {w().always}
            </label>
            <label>
              <input type="radio" name="always" checked={!isAlways()} onChange={() => set(false)} />
              {w().byHours}
            </label>
          </div>
          <Show when={!isAlways()}>
            <For each={DAYS}>{(day) => <DayOf day={day} spans={week()[day]} onChange={(spans) => change(day, spans)} />}</For>
            <p>
              <button type="button" class="plain" onClick={copy}>
                {w().copyToWeekdays}
              </button>
            </p>
          </Show>
          <p class="small" role="status">
            {fault() ? w().faults[fault()!] : isChanged() ? w().changed : ''}
          </p>
          <button class="strong" disabled={!isChanged() || fault() !== undefined || isBusy()}>
            {w().save}
          </button>
        </form>
      </Show>
    </section>
  )
}

function DayOf(props: { day: Day; spans: readonly Span[]; onChange: (spans: readonly Span[]) => void }): JSX.Element {
  const name = () => w().days[props.day]
  const at = (place: number, change: Partial<Span>) => props.onChange(props.spans.map((span, index) => (index === place ? { ...span, ...change } : span)))
  const add = () => {
    const last = props.spans.at(-1)
    const opens = last ? Math.min(last.closes + 60, 1_380) : OFFICE.opens
    props.onChange([...props.spans, last ? { opens, closes: Math.min(opens + 240, 1_440) } : OFFICE])
  }
  return (
    <fieldset class="cdesk-day">
      <legend>{name()}</legend>
      <div class="cdesk-spans">
        <For each={props.spans.map((_, index) => index)} fallback={<span class="quiet">{w().dayOff}</span>}>
          {(place) => (
            <span class="cdesk-span">
              <input
                type="time"
                required
                aria-label={`${name()} ${w().opens}`}
                value={timeText(props.spans[place]?.opens ?? 0)}
                onChange={(event) => event.currentTarget.value && at(place, { opens: closingOf(event.currentTarget.value) % 1_440 })}
              />
              –
              <input
                type="time"
                required
                aria-label={`${name()} ${w().closes}`}
                value={timeText((props.spans[place]?.closes ?? 0) % 1_440)}
                onChange={(event) => event.currentTarget.value && at(place, { closes: closingOf(event.currentTarget.value) })}
              />
              <button type="button" class="plain" aria-label={`${w().dropSpan}: ${name()}`} onClick={() => props.onChange(props.spans.filter((_, index) => index !== place))}>
                ✕
              </button>
            </span>
          )}
        </For>
        <button type="button" class="plain" aria-label={`${w().addSpan}: ${name()}`} onClick={add}>
          +
        </button>
      </div>
    </fieldset>
  )
}

const percent = (minutes: number): string => `${(minutes / 1_440) * 100}%`
const HOURS = [0, 6, 12, 18, 24]

/** The week at a glance; readers hear each day as a line of a list. week: undefined for always. */
function Picture(props: { week: Week | undefined }): JSX.Element {
  const blocks = createMemo(() => (props.week ? blocksOf(props.week) : undefined))
  const of = (day: Day) => blocks()?.[day] ?? [{ from: 0, to: 1_440 }]
  const said = (day: Day) => of(day).map(({ from, to }) => `${timeText(from)}–${timeText(to)}`).join(', ') || w().dayOff
  return (
    <ul class="cdesk-week" aria-label={w().weekLabel}>
      <For each={DAYS}>
        {(day) => (
          <li>
            <span class="unseen">{`${w().days[day]}: ${said(day)}`}</span>
            <span class="upto" aria-hidden="true">
              {w().shortDays[day]}
            </span>
            <span class="track" aria-hidden="true">
              <For each={of(day)}>{({ from, to }) => <span style={{ left: percent(from), width: percent(to - from) }} />}</For>
            </span>
          </li>
        )}
      </For>
      <li class="marks" aria-hidden="true">
        <span />
        <span class="track">
          <For each={HOURS}>{(hour) => <span style={{ left: percent(hour * 60) }}>{hour}</span>}</For>
        </span>
      </li>
    </ul>
  )
}

// --- what it says by itself ---

/** A moment as a field takes it, in the time of this device. */
function fieldOf(ms: number): string {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 16)
}

const HOUR_MS = 3_600_000

function Texts(props: { place: Place; settings: SettingsSaid }): JSX.Element {
  const { shop } = props.place
  const stored = createMemo(() => JSON.stringify({ ...props.settings, open_now: null }))
  return (
    <section class="block" aria-labelledby="cdesk-texts">
      <h3 id="cdesk-texts">{w().texts}</h3>
      <Show when={stored()} keyed>
        {(_) => <Form place={props.place} settings={props.settings} isMine={isOwner(shop)} />}
      </Show>
    </section>
  )
}

function Form(props: { place: Place; settings: SettingsSaid; isMine: boolean }): JSX.Element {
  const { client, id } = props.place.shop
  const before = props.settings
  const [isResting, setResting] = createSignal(before.away_until > Date.now())
  const [isChanged, setChanged] = createSignal(false)
  const isBusy = () => props.place.intents().some((intent) => isOfSettings(intent) && isUnderWay(intent))
  function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): void {
    event.preventDefault()
    const said = read(event.currentTarget)
    const until = isResting() && said['until'] ? new Date(said['until']).getTime() : null
    settle(client, id, {
      greeting: said['greeting'] ?? '',
      away_text: said['away'] ?? '',
      away_until: until,
      bot_first: said['bot'] === 'on',
      calls_agents: said['calls'] === 'on',
    })
    setChanged(false)
  }
  return (
    <form class="cdesk-texts" onSubmit={send} onInput={() => setChanged(true)}>
      <fieldset disabled={!props.isMine}>
        <Field label={w().away} hint={w().awayHint}>
          <textarea name="away" rows="3" maxlength="5000" value={before.away_text} />
        </Field>
        <Field label={w().greeting} hint={w().greetingHint}>
          <textarea name="greeting" rows="3" maxlength="5000" value={before.greeting} />
        </Field>
        <label class="check">
          <input type="checkbox" name="rest" checked={isResting()} onChange={(event) => setResting(event.currentTarget.checked)} />
          <span>
            {w().rest} <span class="small quiet">{before.away_until > Date.now() ? w().restingUntil(dayAndClock(before.away_until)) : w().restHint}</span>
          </span>
        </label>
        <Show when={isResting()}>
          <Field label={w().restUntil}>
            <input type="datetime-local" name="until" required value={fieldOf(before.away_until > Date.now() ? before.away_until : Date.now() + HOUR_MS)} />
          </Field>
        </Show>
        <label class="check">
          <input type="checkbox" name="bot" checked={before.bot_first} />
          <span>
            {w().botFirst} <span class="small quiet">{before.has_bot ? w().botFirstHint : w().noBot}</span>
          </span>
        </label>
        <label class="check">
          <input type="checkbox" name="calls" checked={before.calls_agents} />
          <span>{w().calls}</span>
        </label>
        <Show when={props.isMine}>
          <p class="small" role="status">
            {isChanged() ? w().changed : ''}
          </p>
          <button class="strong" disabled={!isChanged() || isBusy()}>
            {w().save}
          </button>
        </Show>
      </fieldset>
    </form>
  )
}
