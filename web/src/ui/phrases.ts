import type { Health } from '../data/health'
import type { Question } from '../data/poll'
import { memberName } from '../data/rooms'
import type { Content } from '../data/content'
import { mediaOf, withoutFallback, type Media, type Message } from '../data/timeline'
import type { Entry, Preview, Room } from '../data/types'
import { clock, t } from './settings'

function mediaLine({ kind, name, caption, isSticker, waveform }: Media): string {
  if (waveform) return t().voiceMessage
  if (kind === 'file') return `${t().file}: ${caption ?? name}`
  const what = isSticker ? t().sticker : { image: t().photo, video: t().video, audio: t().audio }[kind]
  return caption ? `${what}: ${caption}` : what
}

const pollLine = ({ question }: Question): string => `${t().poll}: ${question}`

/** What an event is in one line. */
export function summary(type: string, content: Content, redacted = false): string {
  if (redacted) return t().deletedMessage
  if (type === 'm.room.encrypted') return t().encryptedMessage
  if (content.poll) return pollLine(content.poll)
  const media = mediaOf(type, content)
  return media ? mediaLine(media) : withoutFallback(content.body ?? '', content['m.relates_to'] !== undefined)
}

/** The same of a message on the screen. */
export function lineOf({ kind, media, body, poll }: Message): string {
  if (kind === 'redacted') return t().deletedMessage
  if (kind === 'encrypted') return t().encryptedMessage
  return poll ? pollLine(poll) : media ? mediaLine(media) : body
}

/** The second line of a chat in the list: in a group with who said it. */
export function previewLine(room: Room, preview: Preview | undefined, me: string): string {
  if (!preview) return room.topic ?? ''
  const line = summary(preview.type, preview.content, preview.redacted)
  const isGroup = room.joined + room.invited > 2
  return isGroup && preview.sender !== me ? `${memberName(room, preview.sender)}: ${line}` : line
}

/** What happened, told by a state event. */
export function notice(room: Room, entry: Entry): string {
  const say = t().notices
  const by = memberName(room, entry.sender)
  const { content } = entry
  switch (entry.type) {
    case 'm.room.member':
      return memberNotice(room, entry, by)
    case 'm.room.name':
      return say.roomNamed(by, content.name ?? '')
    case 'm.room.topic':
      return say.topic(by, content.topic ?? '')
    case 'm.room.avatar':
      return say.avatar(by)
    case 'm.room.pinned_events':
      return say.pinned(by)
    case 'm.room.encryption':
      return say.encryption
    default:
      return say.created(by)
  }
}

function memberNotice(room: Room, entry: Entry, by: string): string {
  const say = t().notices
  const before = entry.previous ?? {}
  const now = entry.content
  const user = entry.stateKey ?? ''
  const name = now.displayname || before.displayname || memberName(room, user)
  switch (now.membership) {
    case 'join':
      return before.membership === 'join' ? say.renamed(before.displayname ?? user, name) : say.joined(name)
    case 'invite':
      return say.invited(name, by)
    case 'ban':
      return say.banned(name, by)
    case 'knock':
      return say.knocked(name)
    default:
      return user === entry.sender ? say.left(name) : say.removed(name, by)
  }
}

/** The sentence of the banner; null when all is as always. */
export function bannerText(health: Health): string | null {
  switch (health.kind) {
    case 'normal':
      return null
    case 'full':
      return t().bannerFull
    case 'elsewhere':
      return t().bannerElsewhere
    case 'readonly':
      return t().bannerReadonly(health.waiting)
    case 'delayed':
      return t().bannerDelayed(health.waiting, clock(health.since))
    case 'offline':
      return t().bannerOffline(health.waiting, clock(health.since))
  }
}

const FEW_EMOJI = /^(?:\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\uFE0F|\u200D\p{Extended_Pictographic})*\s?){1,3}$/u

/** One to three pictures and nothing else are shown large. */
export const isHuge = (body: string): boolean => FEW_EMOJI.test(body)

const ROOM_PHOTO = { width: 260, height: 320 }

/** The place of a photo on the page, kept before it is there. */
export function photoBox(width = 4, height = 3): { width: number; height: number } {
  const share = Math.min(ROOM_PHOTO.width / width, ROOM_PHOTO.height / height)
  return { width: Math.max(96, Math.round(width * share)), height: Math.max(72, Math.round(height * share)) }
}

export const deviceName = (): string => {
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(navigator.userAgent)?.[0] ?? ''
  return ['Bongsu Web', system].filter(Boolean).join(' · ')
}
