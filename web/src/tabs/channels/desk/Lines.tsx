import { createMemo, createSignal, Match, Show, Switch, type JSX } from 'solid-js'
import { isOpen, mayBeDone, type Intent } from '../../../data/intents'
import type { Line, NoteLine, SaidLine, TurnLine } from '../../../data/channelDesk'
import type { Link } from '../../../data/links'
import { useClient } from '../../../ui/client'
import { Dialog } from '../../../ui/Dialog'
import { held } from '../../../ui/held'
import { Icon } from '../../../ui/Icon'
import { Picture, PictureButton } from '../../../ui/Picture'
import { say } from '../../../ui/say'
import { bytes, clock, day, t } from '../../../ui/settings'
import { Words } from '../../../ui/Words'
import { sw } from '../../services/words'
import { nameOf, type Place } from './place'
import { isNote, whyNot, wordsIn } from './wishes'
import { w } from './words'

interface Props {
  place: Place
  customer: string
  onDanger: (link: Link) => void
}

const dayOf = (ts: number): string => new Date(ts).toDateString()

/** One line of a conversation, and the day where one begins. */
export function LineView(props: Props & { find: () => Line | undefined; before: () => Line | undefined }): JSX.Element {
  const line = createMemo<Line>((before) => props.find() ?? before!, props.find()!)
  const as = <K extends Line['kind']>(kind: K) => (line().kind === kind ? (line() as Extract<Line, { kind: K }>) : undefined)
  const isNewDay = () => !props.before() || dayOf(props.before()!.ts) !== dayOf(line().ts)
  return (
    <>
      <Show when={isNewDay()}>
        <p class="divider">
          <span>{day(line().ts)}</span>
        </p>
      </Show>
      <Switch>
        <Match when={as('said')}>{(said) => <SaidView {...props} line={said()} />}</Match>
        <Match when={as('note')}>{(note) => <NoteView {...props} line={note()} />}</Match>
        <Match when={as('turn')}>{(turn) => <TurnView {...props} line={turn()} />}</Match>
      </Switch>
    </>
  )
}

function SaidView(props: Props & { line: SaidLine }): JSX.Element {
  const isOurs = () => props.line.sender === 'channel'
  const who = () => (isOurs() ? props.place.shop.channel().name : props.line.sender === 'customer' ? props.customer : w().other)
  const truly = () => [w().by[props.line.by ?? ''], props.line.author?.startsWith('@') ? nameOf(props.place, props.line.author) : ''].filter(Boolean).join(' · ')
  return (
    <div class="message first cdesk-message" classList={{ mine: isOurs() }} data-by={props.line.by}>
      <p class="sender">
        {who()}
        <Show when={isOurs() && truly()}>
          <span class="quiet"> ({truly()})</span>
        </Show>
      </p>
      <div class="said">
        <div class="bubble" classList={{ bare: props.line.file?.isPicture === true }}>
          <Body line={props.line} onDanger={props.onDanger} />
        </div>
        <span class="meta">
          <Show when={isOurs() && props.line.isRead}>
            <span>{w().read}</span>
          </Show>
          <Show when={props.line.isEdited}>
            <span>{w().edited}</span>
          </Show>
          <time>{clock(props.line.ts)}</time>
        </span>
      </div>
    </div>
  )
}

function Body(props: { line: SaidLine; onDanger: (link: Link) => void }): JSX.Element {
  return (
    <Switch fallback={<Words body={props.line.body} html={props.line.html} onDanger={props.onDanger} />}>
      <Match when={props.line.isDeleted}>
        <span class="subdued">{w().deleted}</span>
      </Match>
      <Match when={props.line.isSealed}>
        <span class="subdued">{w().sealed}</span>
      </Match>
      <Match when={props.line.file}>{(file) => <Show when={file().isPicture} fallback={<FileCard line={props.line} />}>{<Photo uri={file().uri} name={props.line.body} />}</Show>}</Match>
    </Switch>
  )
}

function Photo(props: { uri: string; name: string }): JSX.Element {
  const client = useClient()
  const [isOpened, setOpened] = createSignal(false)
  return (
    <>
      <PictureButton class="photo cdesk-photo" media={client.media} uri={props.uri} size={{ width: 480, height: 480 }} alt={props.name} onOpen={() => setOpened(true)} />
      <Show when={isOpened()}>
        <Dialog kind="page" title={props.name || w().fileLine} onClose={() => setOpened(false)}>
          <div class="scroll cdesk-whole">
            <Picture media={client.media} uri={props.uri} alt={props.name} />
          </div>
        </Dialog>
      </Show>
    </>
  )
}

function FileCard(props: { line: SaidLine }): JSX.Element {
  const client = useClient()
  const [isWanted, setWanted] = createSignal(false)
  const file = held(client.media, () => (isWanted() ? props.line.file!.uri : undefined))
  return (
    <Show
      when={file.address()}
      fallback={
        <button type="button" class="card" onClick={() => (file.isLost() ? file.again() : setWanted(true))}>
          <Icon name="file" />
          <span>
            <strong>{props.line.body || w().fileLine}</strong>
            <span class="small">{file.isLost() ? t().photoMissing : isWanted() ? t().loading : props.line.file!.size === undefined ? t().download : `${bytes(props.line.file!.size)} · ${t().download}`}</span>
          </span>
        </button>
      }
    >
      {(address) => (
        <a class="card" href={address()} download={props.line.body || 'file'} ref={(link) => queueMicrotask(() => link.click())}>
          <Icon name="download" />
          <strong>{props.line.body || w().fileLine}</strong>
        </a>
      )}
    </Show>
  )
}

function NoteView(props: Props & { line: NoteLine }): JSX.Element {
  return (
    <div class="cdesk-note">
      <p class="small">
        <Icon name="lock" />
        <strong>{w().note}</strong> {nameOf(props.place, props.line.author)} · {clock(props.line.ts)} · {w().noteHint}
      </p>
      <Words body={props.line.body} onDanger={props.onDanger} />
    </div>
  )
}

function TurnView(props: Props & { line: TurnLine }): JSX.Element {
  const text = () => {
    const { agent } = props.line
    if (agent === null) return w().letGo
    return agent === props.place.shop.client.me ? w().tookMe : w().took(nameOf(props.place, agent))
  }
  return (
    <p class="event">
      {text()} · {clock(props.line.ts)}
    </p>
  )
}

/** What stands where it will be said, and what is to become of it. */
export function Unsent(props: { body: string; isNote: boolean; isRefused: boolean; state: string; children?: JSX.Element }): JSX.Element {
  return (
    <div class="message mine first cdesk-message cdesk-unsent" classList={{ refused: props.isRefused, 'of-note': props.isNote }}>
      <div class="said">
        <div class="bubble">
          <span class="words">{props.body}</span>
        </div>
      </div>
      <p class="cdesk-state">
        <span>{props.state}</span>
        {props.children}
      </p>
    </div>
  )
}

/** Something that is to be said, as long as the server has not answered. */
export function Wanted(props: { find: () => Intent | undefined }): JSX.Element {
  const client = useClient()
  const intent = createMemo<Intent>((before) => props.find() ?? before!, props.find()!)
  const isFailed = () => intent().state === 'failed'
  const state = () => (isFailed() ? `${sw().refused}: ${whyNot(intent())}` : intent().cannot ? sw().cannot : intent().tries > 1 ? sw().queued : sw().sending)
  const drop = () => {
    if (mayBeDone(intent())) say(sw().stopped)
    void client.intents.remove(intent().key)
  }
  return (
    <Unsent body={wordsIn(intent())} isNote={isNote(intent())} isRefused={isFailed()} state={state()}>
      <Show when={isFailed()}>
        <button type="button" class="plain" onClick={() => void client.intents.retry(intent().key)}>
          {sw().again}
        </button>
      </Show>
      <Show when={isFailed() || (isOpen(intent()) && intent().tries > 1)}>
        <button type="button" class="plain" onClick={drop}>
          {isFailed() ? sw().dismiss : sw().stop}
        </button>
      </Show>
    </Unsent>
  )
}
