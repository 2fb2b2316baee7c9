import { createResource, createSignal, For, Match, Show, Switch, type JSX } from 'solid-js'
import { codeOf } from '../../data/failures'
import type { Shows } from '../../data/push'
import { addKeyword, readRules, removeKeyword, setDefaults, setOn, setRoom, type Choices, type Edit, type RoomChoice, type Rules } from '../../data/rules'
import { roomName } from '../../data/rooms'
import { Choice } from '../../ui/Choice'
import { useClient } from '../../ui/client'
import { explain } from '../../ui/errors'
import { Icon } from '../../ui/Icon'
import { deviceName } from '../../ui/phrases'
import { say } from '../../ui/say'
import { compareNames, language, t } from '../../ui/settings'
import { Group, saved, Toggle } from './parts'
import { w } from './words'

export function Notifications(): JSX.Element {
  return (
    <>
      <ThisBrowser />
      <Everywhere />
    </>
  )
}

function ThisBrowser(): JSX.Element {
  const { push } = useClient()
  const [told, { refetch }] = createResource(() => push.state())
  const [isBusy, setBusy] = createSignal(false)
  async function change(work: () => Promise<void>): Promise<void> {
    setBusy(true)
    try {
      await work()
    } catch (error) {
      say(why(error))
    }
    await refetch()
    setBusy(false)
  }
  const turnOn = (shows: Shows) => change(() => push.turnOn(shows, language(), deviceName()))
  const state = () => told.latest?.state
  return (
    <Group title={w().thisBrowser}>
      <Switch>
        <Match when={state() === 'none'}>
          <p class="wrong">{w().pushNone}</p>
        </Match>
        <Match when={state() === 'denied'}>
          <p class="wrong">{w().pushDenied}</p>
        </Match>
        <Match when={told.latest}>
          {(known) => (
            <>
              <Toggle label={w().pushOn} checked={state() === 'on'} disabled={isBusy()} onChange={(is) => void (is ? turnOn(known().shows) : change(() => push.turnOff()))} />
              <Show when={state() === 'on'}>
                <Choice
                  label={w().shows}
                  value={known().shows}
                  values={[
                    ['text', w().showsText],
                    ['nothing', w().showsNothing],
                  ]}
                  onChange={(shows) => void turnOn(shows)}
                />
              </Show>
            </>
          )}
        </Match>
      </Switch>
    </Group>
  )
}

/** The browser's own faults are told in words of ours. */
function why(error: unknown): string {
  if (!(error instanceof DOMException)) return explain(error)
  return codeOf(error) === 'NotAllowedError' ? w().pushDenied : w().pushFailed
}

function Everywhere(): JSX.Element {
  const client = useClient()
  const [rules, { refetch }] = createResource(() => client.matrix.pushRules().then((told) => told as Rules))
  const edit = async (edits: Edit[]): Promise<void> => {
    const all = async () => {
      for (const { kind, id, sub, body } of edits) await client.matrix.editRule(kind, id, sub, body)
    }
    await saved(all())
    await refetch()
  }
  return (
    <Group title={w().everywhere} hint={w().everywhereHint}>
      <Show when={!rules.error} fallback={<p class="wrong">{explain(rules.error)}</p>}>
        <Show when={rules.latest} fallback={<p class="empty">{t().loading}</p>}>
          {(known) => <Editor rules={known()} choices={readRules(known())} edit={(edits) => void edit(edits)} />}
        </Show>
      </Show>
    </Group>
  )
}

interface EditorProps {
  rules: Rules
  choices: Choices
  edit: (edits: Edit[]) => void
}

function Editor(props: EditorProps): JSX.Element {
  return (
    <>
      <Toggle label={w().master} checked={props.choices.isOn} onChange={(is) => props.edit(setOn(is))} />
      <Show when={props.choices.isOn}>
        <Choice
          label={w().groups}
          value={props.choices.groups}
          values={[
            ['all', w().groupsAll],
            ['mentions', w().groupsMentions],
          ]}
          onChange={(groups) => props.edit(setDefaults(props.rules, groups, props.choices.sound))}
        />
        <Choice
          label={w().sound}
          value={props.choices.sound}
          values={[
            ['all', w().soundAll],
            ['direct', w().soundDirect],
            ['none', w().soundNone],
          ]}
          onChange={(sound) => props.edit(setDefaults(props.rules, props.choices.groups, sound))}
        />
        <Keywords {...props} />
        <Rooms {...props} />
      </Show>
    </>
  )
}

function Keywords(props: EditorProps): JSX.Element {
  let input!: HTMLInputElement
  const add = (event: SubmitEvent) => {
    event.preventDefault()
    const word = input.value.trim()
    if (word) props.edit(addKeyword(word, props.choices.sound))
  }
  return (
    <>
      <form class="with-button" onSubmit={add}>
        <label class="field">
          <span>{w().keywords}</span>
          <input ref={input} maxlength="60" autocapitalize="none" aria-describedby="keywords-hint" />
        </label>
        <button class="plain">{w().add}</button>
      </form>
      <p class="hint" id="keywords-hint">
        {w().keywordsHint}
      </p>
      <ul class="chips own">
        <For each={props.choices.keywords}>
          {({ id, word }) => (
            <li>
              <button type="button" aria-label={w().removeKeyword(word)} onClick={() => props.edit(removeKeyword(id))}>
                {word}
                <Icon name="close" />
              </button>
            </li>
          )}
        </For>
      </ul>
    </>
  )
}

const SHOWN_MAX = 30

/** Rooms with a choice of their own first; others are found by name. */
function Rooms(props: EditorProps): JSX.Element {
  const client = useClient()
  const [wanted, setWanted] = createSignal('')
  const all = client
    .rooms()
    .filter((room) => room.membership === 'join')
    .map((room) => ({ id: room.id, name: roomName(room, client.me, client.account) || t().emptyRoom }))
    .toSorted((one, other) => compareNames(one.name, other.name))
  const shown = () => {
    const words = wanted().trim().toLocaleLowerCase()
    return all.filter((room) => (words ? room.name.toLocaleLowerCase().includes(words) : props.choices.rooms[room.id])).slice(0, SHOWN_MAX)
  }
  const options = (): (readonly [RoomChoice | '', string])[] => [
    ['', w().asAbove],
    ['all', w().roomAll],
    ['mentions', w().roomMentions],
    ['off', w().roomOff],
  ]
  const choose = (room: string, value: string) => props.edit(setRoom(props.rules, room, value ? (value as RoomChoice) : undefined, props.choices.sound))
  return (
    <>
      <h3>{w().rooms}</h3>
      <p class="hint">{w().roomsHint}</p>
      <input type="search" aria-label={w().findRoom} placeholder={w().findRoom} onInput={(event) => setWanted(event.currentTarget.value)} />
      <ul>
        <For each={shown()} fallback={<li class="hint">{wanted() ? w().noRoom : ''}</li>}>
          {(room) => (
            <li class="line-of">
              <span id={`room-${room.id}`}>{room.name}</span>
              <select aria-labelledby={`room-${room.id}`} onChange={(event) => choose(room.id, event.currentTarget.value)}>
                <For each={options()}>
                  {([value, text]) => (
                    <option value={value} selected={value === (props.choices.rooms[room.id] ?? '')}>
                      {text}
                    </option>
                  )}
                </For>
              </select>
            </li>
          )}
        </For>
      </ul>
    </>
  )
}
