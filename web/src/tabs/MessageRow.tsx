import { For, lazy, Match, Show, Suspense, Switch, type JSX } from 'solid-js'
import { contentOf } from '../data/content'
import { LARGE } from '../data/media'
import { pieces, type Link } from '../data/links'
import { memberName } from '../data/rooms'
import { captionOf, type Media, type Message } from '../data/timeline'
import type { Room } from '../data/types'
import { Avatar } from '../ui/Avatar'
import { Blur } from '../ui/Blur'
import { useClient } from '../ui/client'
import { explain, orSay } from '../ui/errors'
import { Icon } from '../ui/Icon'
import { live } from '../ui/live'
import { LocalPicture } from '../ui/LocalPicture'
import { onLongPress } from '../ui/longPress'
import { isHuge, lineOf, photoBox } from '../ui/phrases'
import { PictureButton } from '../ui/Picture'
import { openPage } from '../ui/route'
import { say } from '../ui/say'
import { bytes, clock, t } from '../ui/settings'
import { Words } from '../ui/Words'
import { ThreadLine } from './ThreadLine'

const PollCard = lazy(() => import('./talk/PollCard'))

const Player = lazy(() => import('./media/Player'))

interface Props {
  message: Message
  first: boolean
  last: boolean
  room: Room
  quoted: Message | undefined
  onMenu: (message: Message) => void
  onPhoto: (message: Message) => void
  onDanger: (link: Link) => void
  onJump: (event: string) => void
  onThread: ((root: string) => void) | undefined
}

const Locked = lazy(() => import('./crypto/Locked').then(({ Locked }) => ({ default: Locked })))

export function MessageRow(props: Props): JSX.Element {
  const client = useClient()
  const name = () => memberName(props.room, props.message.sender)
  const menu = (event: MouseEvent) => {
    if (!props.message.id || (event.target as Element).closest('a')) return
    event.preventDefault()
    props.onMenu(props.message)
  }
  return (
    <article class="message" classList={{ mine: props.message.mine, first: props.first, 'calls-me': props.message.callsMe }} aria-label={`${name()} ${clock(props.message.ts)}`}>
      <Show when={props.first && !props.message.mine} fallback={props.message.mine ? null : <span />}>
        <Avatar media={client.media} id={props.message.sender} name={name()} uri={props.room.members[props.message.sender]?.avatar} />
        <p class="sender">{name()}</p>
      </Show>
      <div class="said" onContextMenu={menu} ref={(element) => onLongPress(element, () => props.message.id && props.onMenu(props.message))}>
        <div class="bubble" classList={{ bare: isPicture(props.message), huge: isLarge(props.message) }}>
          <Show when={props.message.callsMe}>
            <span class="unseen">{t().callsYou}</span>
          </Show>
          <Show when={props.message.replyTo}>{(target) => <Quoted {...props} target={target()} />}</Show>
          <Body {...props} />
        </div>
        <Meta message={props.message} last={props.last} />
        <Show when={props.message.id}>
          <button type="button" class="round more-button" aria-label={t().actions} aria-haspopup="dialog" onClick={() => props.onMenu(props.message)}>
            <Icon name="menu" />
          </button>
        </Show>
      </div>
      <Show when={props.message.reactions.length > 0}>
        <Reactions message={props.message} room={props.room.id} />
      </Show>
      <Show when={props.onThread && props.message.thread}>
        {(thread) => <ThreadLine room={props.room} thread={thread()} onOpen={() => props.onThread!(props.message.id!)} />}
      </Show>
      <Show when={props.message.sending?.state === 'failed'}>
        <Failed message={props.message} room={props.room.id} />
      </Show>
    </article>
  )
}

const PICTURES: readonly (string | undefined)[] = ['image', 'video', 'm.image', 'm.video']
const isPicture = (message: Message): boolean => message.kind === 'media' && !isCaptioned(message) && PICTURES.includes(message.media?.kind ?? contentOf(message.sending?.content).msgtype)
const isCaptioned = ({ media, sending }: Message): boolean => !!media?.caption || (!!sending?.attachment && captionOf(contentOf(sending.content)) !== undefined)
const isLarge = (message: Message): boolean => message.kind === 'text' && !message.html && !message.replyTo && isHuge(message.body)

/** A file, with what was said with it. */
function Body(props: Props): JSX.Element {
  return (
    <>
      <Said {...props} />
      <Show when={isCaptioned(props.message)}>
        <TextBody {...props} />
      </Show>
    </>
  )
}

function Said(props: Props): JSX.Element {
  return (
    <Switch fallback={<TextBody {...props} />}>
      <Match when={props.message.kind === 'redacted'}>
        <p class="subdued">{t().deletedMessage}</p>
      </Match>
      <Match when={props.message.kind === 'encrypted'}>
        <Suspense fallback={<p class="subdued">{t().encryptedMessage}</p>}>
          <Locked why={props.message.locked ?? 'unable'} />
        </Suspense>
      </Match>
      <Match when={props.message.poll}>
        {(poll) => (
          <Suspense fallback={<strong>{poll().question}</strong>}>
            <PollCard message={props.message} poll={poll()} room={props.room} />
          </Suspense>
        )}
      </Match>
      <Match when={props.message.sending?.attachment}>
        <Sending message={props.message} />
      </Match>
      <Match when={props.message.media?.kind === 'image'}>
        <Photo {...props} media={props.message.media!} />
      </Match>
      <Match when={isPlayable(props.message.media)}>
        <Suspense fallback={<FileCard media={props.message.media!} />}>
          <Player media={props.message.media!} />
        </Suspense>
      </Match>
      <Match when={props.message.media}>{(media) => <FileCard media={media()} />}</Match>
    </Switch>
  )
}

function TextBody(props: Props): JSX.Element {
  const client = useClient()
  const dangers = () => pieces(props.message.body).flatMap((piece) => (piece.link?.danger ? [piece.link] : []))
  return (
    <>
      <Words body={props.message.kind === 'emote' ? `* ${memberName(props.room, props.message.sender)} ${props.message.body}` : props.message.body} html={props.message.html} me={client.me} onDanger={props.onDanger} />
      <Show when={props.message.desk}>
        {(desk) => (
          <button type="button" class="plain" onClick={() => openPage('manage', desk().channel, 'desk', 'talk', desk().talk)}>
            {t().toDesk}
          </button>
        )}
      </Show>
      <For each={dangers()}>
        {(link) => (
          <p class="host">
            <Icon name="warning" />
            {link.host}
          </p>
        )}
      </For>
    </>
  )
}

function Quoted(props: Props & { target: string }): JSX.Element {
  return (
    <button type="button" class="quoted" onClick={() => props.onJump(props.target)}>
      <strong>{props.quoted ? t().replyTo(memberName(props.room, props.quoted.sender)) : t().reply}</strong>
      <span>{props.quoted ? lineOf(props.quoted) : '…'}</span>
    </button>
  )
}

/** The time once for messages of the same minute; how many have not read at each. */
function Meta(props: { message: Message; last: boolean }): JSX.Element {
  const isWaiting = () => props.message.sending !== undefined && props.message.sending.state !== 'sent'
  return (
    <span class="meta">
      <Show when={!isWaiting() && props.message.unread > 0}>
        <span class="few">
          <span aria-hidden="true">{props.message.unread}</span>
          <span class="unseen">{t().notReadBy(props.message.unread)}</span>
        </span>
      </Show>
      <Show when={isWaiting()}>
        <span class="unseen">{props.message.sending?.state === 'failed' ? t().failedToSend : t().waitingToSend}</span>
        <Icon name={props.message.sending?.state === 'failed' ? 'warning' : 'send'} />
      </Show>
      <Show when={props.message.doubt}>
        {(doubt) => (
          <span class="doubt" classList={{ mild: doubt() === 'unproven' }} title={t().doubts[doubt()]}>
            <Icon name={doubt() === 'unproven' ? 'lock' : 'warning'} />
            <span class="unseen">{t().doubts[doubt()]}</span>
          </span>
        )}
      </Show>
      <Show when={props.message.edited}>
        <span>{t().edited}</span>
      </Show>
      <Show when={props.message.isPinned}>
        <Icon name="pin" />
        <span class="unseen">{t().pinned}</span>
      </Show>
      <Show when={props.last && !isWaiting()}>
        <time datetime={new Date(props.message.ts).toISOString()}>{clock(props.message.ts)}</time>
      </Show>
    </span>
  )
}

function Reactions(props: { message: Message; room: string }): JSX.Element {
  const client = useClient()
  const press = (key: string, mine: string | undefined) => orSay(mine ? client.speech.takeBack(props.room, mine) : client.speech.react(props.room, props.message.id!, key))
  return (
    <div class="reactions">
      <For each={props.message.reactions}>
        {(reaction) => (
          <button type="button" aria-pressed={reaction.mine !== undefined} onClick={() => press(reaction.key, reaction.mine)}>
            <span>{reaction.key}</span>
            <span>{reaction.users.length}</span>
          </button>
        )}
      </For>
    </div>
  )
}

function Failed(props: { message: Message; room: string }): JSX.Element {
  const client = useClient()
  return (
    <p class="failed">
      {t().failedToSend}: {explain(props.message.sending?.error)}
      <button type="button" onClick={() => orSay(client.speech.retry(props.message.txn!))}>
        {t().retry}
      </button>
      <button type="button" onClick={() => orSay(client.speech.takeBack(props.room, props.message.txn!))}>
        {t().discard}
      </button>
    </p>
  )
}

function Photo(props: Props & { media: Media }): JSX.Element {
  const client = useClient()
  const box = () => photoBox(props.media.width, props.media.height)
  const label = () => t().photoFrom(memberName(props.room, props.message.sender))
  return (
    <PictureButton
      class="photo"
      style={{ width: `${box().width}px`, height: `${box().height}px` }}
      media={client.media}
      uri={props.media.uri}
      size={LARGE}
      alt={label()}
      blurhash={props.media.blurhash}
      width={box().width}
      height={box().height}
      onOpen={() => props.onPhoto(props.message)}
    />
  )
}

const isPlayable = (media: Media | undefined): boolean => media?.kind === 'video' || media?.kind === 'audio'

export function FileCard(props: { media: Media }): JSX.Element {
  const client = useClient()
  const save = () => client.media.save(props.media.uri, props.media.name).catch((error) => say(explain(error)))
  return (
    <button type="button" class="card" onClick={() => void save()}>
      <Icon name="file" />
      <span>
        <strong>{props.media.name}</strong>
        <span class="small">
          {props.media.size === undefined ? '' : `${bytes(props.media.size)} · `}
          {t().download}
        </span>
      </span>
    </button>
  )
}

/** A photo or file on its way up, with how far it is and a way to stop it. */
function Sending(props: { message: Message }): JSX.Element {
  const client = useClient()
  const item = () => props.message.sending!
  const share = live(client, `upload ${item().txn}`, () => client.speech.uploaded(item().txn))
  const percent = () => Math.round((item().state === 'sent' ? 1 : share()) * 100)
  const content = () => contentOf(item().content)
  const box = () => photoBox(content().info?.w, content().info?.h)
  const isMeasured = (kind: string) => content().msgtype === kind && content().info?.w !== undefined
  return (
    <div>
      <Switch fallback={<strong>{item().attachment!.name}</strong>}>
        <Match when={isMeasured('m.image')}>
          <LocalPicture blob={item().attachment!.blob} box={box()} />
        </Match>
        <Match when={isMeasured('m.video')}>
          <span class="photo" style={{ width: `${box().width}px`, height: `${box().height}px` }}>
            <Show when={content().info?.['xyz.amorgan.blurhash']}>{(hash) => <Blur hash={hash()} />}</Show>
          </span>
        </Match>
      </Switch>
      <Show when={item().state !== 'sent' && item().state !== 'failed'}>
        <div class="progress" role="progressbar" aria-label={t().uploadedShare(percent())} aria-valuenow={percent()} aria-valuemin="0" aria-valuemax="100">
          <div style={{ width: `${percent()}%` }} />
        </div>
        <p class="failed">
          <button type="button" onClick={() => orSay(client.speech.takeBack(item().room, item().txn))}>
            {t().cancel}
          </button>
        </p>
      </Show>
    </div>
  )
}
