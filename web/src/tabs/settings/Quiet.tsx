import { createResource, createSignal, For, Index, Show, type JSX } from 'solid-js'
import { codeOf } from '../../data/failures'
import { hasDay, isWhole, NIGHT, nextMorning, QUIET_HOURS, quietOf, SPANS_MAX, toggleDay, type QuietHours, type QuietSpan } from '../../data/quiet'
import { localpart, roomName } from '../../data/rooms'
import { useClient } from '../../ui/client'
import { Dialog } from '../../ui/Dialog'
import { explain } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import { PeoplePicker } from '../../ui/PeoplePicker'
import { compareNames, dayAndClock, t } from '../../ui/settings'
import { Group, saved, Toggle } from './parts'
import { w } from './words'

const HOUR_MS = 3_600_000
const MORNING = 7
const here = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'

/** What the account keeps; nothing yet is no fault. */
export function Quiet(): JSX.Element {
  const client = useClient()
  const read = () =>
    client.matrix.accountData(client.me, QUIET_HOURS).catch((error: unknown) => {
      if (codeOf(error) !== 'M_NOT_FOUND') throw error
      return {}
    })
  const [known, { mutate, refetch }] = createResource(async () => quietOf(await read(), here()))
  async function set(next: QuietHours): Promise<void> {
    mutate(next)
    if (!next.spans.every(isWhole)) return
    if (!(await saved(client.matrix.setAccountData(client.me, QUIET_HOURS, { ...next })))) await refetch()
  }
  return (
    <Group title={t().sections.quiet} hint={w().quietLead}>
      <Show when={!known.error} fallback={<p class="wrong">{explain(known.error)}</p>}>
        <Show when={known.latest} fallback={<p class="empty">{t().loading}</p>}>
          {(hours) => <Hours hours={hours()} set={(next) => void set(next)} />}
        </Show>
      </Show>
    </Group>
  )
}

interface HoursProps {
  hours: QuietHours
  set: (next: QuietHours) => void
}

function Hours(props: HoursProps): JSX.Element {
  const enable = (enabled: boolean) => props.set({ ...props.hours, enabled, spans: props.hours.spans.length > 0 ? props.hours.spans : [NIGHT] })
  return (
    <>
      <Pause {...props} />
      <Toggle label={w().quietOn} checked={props.hours.enabled} onChange={enable} />
      <Show when={props.hours.enabled}>
        <Spans {...props} />
        <Zone {...props} />
      </Show>
      <Through {...props} />
      <p class="hint">{w().urgent}</p>
    </>
  )
}

function Pause(props: HoursProps): JSX.Element {
  const until = (ms: number) => props.set({ ...props.hours, paused_until_ms: ms })
  const isPaused = () => props.hours.paused_until_ms > Date.now()
  return (
    <div class="line-of" role="group" aria-label={w().pause}>
      <span>
        {w().pause}
        <Show when={isPaused()}>
          <span class="hint">{w().pausedUntil(dayAndClock(props.hours.paused_until_ms))}</span>
        </Show>
      </span>
      <Show
        when={!isPaused()}
        fallback={
          <button type="button" class="plain" onClick={() => until(0)}>
            {w().pauseEnd}
          </button>
        }
      >
        <span class="buttons">
          <button type="button" class="plain" onClick={() => until(Date.now() + HOUR_MS)}>
            {w().pauseHour}
          </button>
          <button type="button" class="plain" onClick={() => until(nextMorning(Date.now(), MORNING))}>
            {w().pauseMorning}
          </button>
        </span>
      </Show>
    </div>
  )
}

function Spans(props: HoursProps): JSX.Element {
  const put = (at: number, span: QuietSpan) => props.set({ ...props.hours, spans: props.hours.spans.map((one, index) => (index === at ? span : one)) })
  const drop = (at: number) => props.set({ ...props.hours, spans: props.hours.spans.filter((_, index) => index !== at) })
  return (
    <>
      <Index each={props.hours.spans}>
        {(span, at) => (
          <fieldset class="span">
            <legend class="unseen">{`${span().from}–${span().to}`}</legend>
            <div class="times">
              <label class="field">
                <span>{w().from}</span>
                <input type="time" required value={span().from} onChange={(event) => put(at, { ...span(), from: event.currentTarget.value })} />
              </label>
              <label class="field">
                <span>{w().to}</span>
                <input type="time" required value={span().to} onChange={(event) => put(at, { ...span(), to: event.currentTarget.value })} />
              </label>
              <Show when={props.hours.spans.length > 1}>
                <button type="button" class="round" aria-label={w().removeSpan} onClick={() => drop(at)}>
                  <Icon name="close" />
                </button>
              </Show>
            </div>
            <div class="days" role="group" aria-label={w().days}>
              <For each={w().dayNames}>
                {(name, index) => (
                  <button type="button" aria-label={w().dayLabels[index()]} aria-pressed={hasDay(span(), index() + 1)} onClick={() => put(at, toggleDay(span(), index() + 1))}>
                    {name}
                  </button>
                )}
              </For>
            </div>
          </fieldset>
        )}
      </Index>
      <p class="hint">{w().wholeDay}</p>
      <Show when={props.hours.spans.length < SPANS_MAX}>
        <button type="button" class="plain add" onClick={() => props.set({ ...props.hours, spans: [...props.hours.spans, NIGHT] })}>
          {w().addSpan}
        </button>
      </Show>
    </>
  )
}

function Zone(props: HoursProps): JSX.Element {
  const zones = [...new Set([props.hours.time_zone, here(), ...Intl.supportedValuesOf('timeZone')])]
  return (
    <label class="field">
      <span>{w().zone}</span>
      <select onChange={(event) => props.set({ ...props.hours, time_zone: event.currentTarget.value })}>
        <For each={zones}>
          {(zone) => (
            <option value={zone} selected={zone === props.hours.time_zone}>
              {zone.replaceAll('_', ' ')}
            </option>
          )}
        </For>
      </select>
    </label>
  )
}

function Through(props: HoursProps): JSX.Element {
  const client = useClient()
  const [picking, setPicking] = createSignal(false)
  const through = () => props.hours.let_through
  const set = (change: Partial<QuietHours['let_through']>) => props.set({ ...props.hours, let_through: { ...through(), ...change } })
  const nameOf = (user: string) => client.rooms().find((room) => room.members[user]?.name)?.members[user]?.name ?? localpart(user)
  const rooms = () =>
    client
      .rooms()
      .filter((room) => room.membership === 'join')
      .map((room) => ({ id: room.id, name: roomName(room, client.me, client.account) || t().emptyRoom }))
      .toSorted((one, other) => compareNames(one.name, other.name))
  return (
    <>
      <h3>{w().through}</h3>
      <Toggle label={w().throughMentions} checked={through().mentions} onChange={(mentions) => set({ mentions })} />
      <div class="line-of">
        <span>{w().throughPeople}</span>
        <button type="button" class="plain" onClick={() => setPicking(true)}>
          {w().choose}
        </button>
      </div>
      <Chips all={through().users.map((id) => ({ id, name: nameOf(id) }))} onRemove={(id) => set({ users: through().users.filter((one) => one !== id) })} />
      <label class="line-of">
        <span>{w().throughRooms}</span>
        <select onChange={(event) => (set({ rooms: [...new Set([...through().rooms, event.currentTarget.value])] }), (event.currentTarget.value = ''))}>
          <option value="">{w().choose}</option>
          <For each={rooms()}>{(room) => <option value={room.id}>{room.name}</option>}</For>
        </select>
      </label>
      <Chips all={through().rooms.map((id) => ({ id, name: rooms().find((room) => room.id === id)?.name ?? id }))} onRemove={(id) => set({ rooms: through().rooms.filter((one) => one !== id) })} />
      <Show when={picking()}>
        <Dialog kind="page" title={w().throughPeople} onClose={() => setPicking(false)}>
          <PeoplePicker picked={through().users.map((user) => ({ user, name: nameOf(user) }))} onChange={(picked) => set({ users: picked.map((one) => one.user) })} />
        </Dialog>
      </Show>
    </>
  )
}

function Chips(props: { all: readonly { id: string; name: string }[]; onRemove: (id: string) => void }): JSX.Element {
  return (
    <ul class="chips own">
      <For each={props.all}>
        {({ id, name }) => (
          <li>
            <button type="button" aria-label={t().remove(name)} onClick={() => props.onRemove(id)}>
              {name}
              <Icon name="close" />
            </button>
          </li>
        )}
      </For>
    </ul>
  )
}
