import { createEffect, createMemo, createSignal, For, on, onMount, Show, type JSX } from 'solid-js'
import { newsOf } from '../../data/board'
import { askAll } from '../../data/service'
import type { PersonSaid } from '../../net/interface'
import type { Body } from '../../net/services'
import { Dialog } from '../../ui/Dialog'
import { live } from '../../ui/live'
import { compareNames } from '../../ui/settings'
import { Field, Fresh, read } from '../services/Parts'
import { sight, watch } from '../services/sight'
import { sw } from '../services/words'
import { appoint, may, nameOf, type Desk } from './desk'
import { w } from './words'

const ROLES = ['coordinator', 'requester', 'provider', 'observer'] as const

/** Who is what on the board: everybody who is in the room. */
export function People(props: { desk: Desk }): JSX.Element {
  const { desk } = props
  const [chosen, setChosen] = createSignal<PersonSaid>()
  const listed = sight<PersonSaid[]>(desk.client, {
    look: async () => (await askAll(desk.client.matrix, 'GET /_bongsu/v1/boards/{room_id}', 'people', { room_id: desk.room }, { limit: '500' })).rows,
    pace: () => 300_000,
    name: `people ${desk.room}`,
  })
  watch(desk.client, (entries) => newsOf(entries, desk.room).people && listed.poke())
  createEffect(on(desk.intents, () => listed.poke(), { defer: true }))
  const room = live(desk.client, `room ${desk.room}`, () => desk.client.room(desk.room))
  onMount(() => void desk.client.chats.loadMembers(desk.room).catch(() => {}))
  const people = createMemo(() => {
    const known = new Map((listed.value() ?? []).map((person) => [person.user_id, person]))
    const here = Object.entries(room()?.members ?? {}).flatMap(([user, member]) => (member.membership === 'join' ? [user] : []))
    const others = here.filter((user) => !known.has(user) && !user.startsWith('@bed-board:'))
    const observers: PersonSaid[] = others.map((user_id) => ({ user_id, role: 'observer', hospital: '', on_call: false }))
    const rank = (person: PersonSaid) => ROLES.indexOf(person.role)
    return [...known.values(), ...observers].toSorted((left, right) => rank(left) - rank(right) || compareNames(nameOf(desk, left.user_id), nameOf(desk, right.user_id)))
  })
  return (
    <div class="scroll">
      <Show when={listed.error()}>
        <Fresh of={listed} />
      </Show>
      <ul class="stack people">
        <For each={people()}>
          {(person) => (
            <li class="block person">
              <span class="what">
                <strong>{nameOf(desk, person.user_id)}</strong>
                <span class="quiet small">{person.user_id}</span>
                <span>
                  <span class="tag">{w().roles[person.role]}</span> {person.hospital}{' '}
                  <Show when={person.on_call}>
                    <span class="tag hot">{w().onCall}</span>
                  </Show>
                </span>
              </span>
              <Show when={person.phone}>{(phone) => <a href={`tel:${phone()}`}>{phone()}</a>}</Show>
              <Show when={may(desk, 'appoint')}>
                <button type="button" class="plain" onClick={() => setChosen(person)} aria-label={`${w().appoint}: ${nameOf(desk, person.user_id)}`}>
                  {w().appoint}
                </button>
              </Show>
            </li>
          )}
        </For>
      </ul>
      <Show when={chosen()} keyed>
        {(person) => <Appoint desk={desk} person={person} onClose={() => setChosen(undefined)} />}
      </Show>
    </div>
  )
}

function Appoint(props: { desk: Desk; person: PersonSaid; onClose: () => void }): JSX.Element {
  function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): void {
    event.preventDefault()
    const said = read(event.currentTarget)
    const body: Body<'PUT /_bongsu/v1/boards/{room_id}/roles/{user_id}'> = {
      role: said['role'] as (typeof ROLES)[number],
      hospital: said['hospital'] ?? '',
      phone: said['phone'] ?? '',
      on_call: said['on_call'] === 'on',
    }
    appoint(props.desk, props.person.user_id, body)
    props.onClose()
  }
  return (
    <Dialog title={nameOf(props.desk, props.person.user_id)} onClose={props.onClose}>
      <form class="form" onSubmit={send}>
        <Field label={w().role}>
          <select name="role">
            <For each={ROLES}>
              {(role) => (
                <option value={role} selected={role === props.person.role}>
                  {w().roles[role]}
                </option>
              )}
            </For>
          </select>
        </Field>
        <Field label={`${w().hospital} (${sw().optional})`}>
          <input name="hospital" maxlength="200" value={props.person.hospital} />
        </Field>
        <Field label={`${w().phone} (${sw().optional})`} hint={w().phoneHint}>
          <input name="phone" type="tel" maxlength="200" value={props.person.phone ?? ''} />
        </Field>
        <label class="check">
          <input name="on_call" type="checkbox" checked={props.person.on_call} />
          <span>
            {w().onCall}
            <small class="hint">{w().onCallHint}</small>
          </span>
        </label>
        <button class="strong wide">{w().appoint}</button>
      </form>
    </Dialog>
  )
}
