import { Refused } from '../net/errors'
import type { Json } from '../net/matrix'
import { bare } from './bare'
import type { Mentions, Wording } from './content'
import { isFull } from './failures'
import type { Known } from './known'
import { describeFile } from './media'
import type { Spoken } from './mentions'
import { mayBeThere, takesBack, type Draft, type Outbox } from './outbox'
import { endContent, POLL_START, pollContent, voteContent, type Poll, type Question } from './poll'
import { whyShut } from './rooms'
import { wholeFile } from './secretUri'
import type { Message } from './timeline'
import { threadRelation } from './threads'
import type { Item } from './types'
import { voiceContent, type Recording } from './voice'

/** Where something is said: in answer to a message, in a thread; last: the thread's newest message that has arrived. */
export interface Place {
  replyTo?: Message | undefined
  thread?: { root: string; last: string } | undefined
}

/** What saying things asks of the rest of the client. */
export interface Hands {
  /** a room's outbox is another one */
  changed(room: string): void
  /** an upload is not wanted any more */
  cancel(txn: string): void
  /** this browser's disk is full: what can be fetched again goes */
  makeRoom(): Promise<void>
}

/** Saying things: on disk first. */
export class Speech {
  private readonly shares = new Map<string, number>()

  constructor(
    private readonly known: Known,
    private readonly outbox: Outbox,
    private readonly hands: Hands,
  ) {}

  waiting(room: string): Promise<Item[]> {
    return this.outbox.of(room)
  }

  /** How much of a file is there, between 0 and 1. */
  uploaded(txn: string): number {
    return this.shares.get(txn) ?? 0
  }

  setUploaded(txn: string, share: number): void {
    this.shares.set(txn, share)
    this.known.emit(`upload ${txn}`)
  }

  async say(room: string, said: Spoken, place: Place = {}): Promise<void> {
    const { replyTo } = place
    const called = [...new Set([...(replyTo && replyTo.sender !== this.known.me ? [replyTo.sender] : []), ...(said.mentions.user_ids ?? [])])]
    const mentions: Mentions = { ...said.mentions, ...(called.length > 0 && { user_ids: called }) }
    await this.post({ room, type: 'm.room.message', content: { ...worded(said), 'm.mentions': mentions, ...related(place) } })
  }

  /** before: whom the message called already; nobody is called twice. */
  async edit(room: string, event: string, said: Spoken, before: readonly string[] = []): Promise<void> {
    const content = { ...worded(said), 'm.mentions': said.mentions }
    const fresh = (said.mentions.user_ids ?? []).filter((user) => !before.includes(user))
    await this.post({
      room,
      type: 'm.room.message',
      content: {
        msgtype: 'm.text',
        body: `* ${said.body}`,
        'm.mentions': fresh.length > 0 ? { user_ids: fresh } : {},
        'm.new_content': content,
        'm.relates_to': { rel_type: 'm.replace', event_id: event },
      },
    })
  }

  /** Other words under a file that was sent; without any its name stands there. before: as of edit(). */
  async recaption(room: string, event: string, now: Wording, said: Spoken, before: readonly string[] = []): Promise<void> {
    const content = { ...fileIn(now), ...captionOf(said, now.filename ?? now.body ?? '') }
    const fresh = (said.mentions.user_ids ?? []).filter((user) => !before.includes(user))
    await this.post({
      room,
      type: 'm.room.message',
      content: {
        ...content,
        body: `* ${content.body}`,
        'm.mentions': fresh.length > 0 ? { user_ids: fresh } : {},
        'm.new_content': { ...content, 'm.mentions': said.mentions },
        'm.relates_to': { rel_type: 'm.replace', event_id: event },
      },
    })
  }

  async askPoll(room: string, question: Question, place: Place = {}): Promise<void> {
    await this.post({ room, type: POLL_START, content: { ...pollContent(question), ...related(place) } })
  }

  async vote(room: string, poll: string, ids: readonly string[]): Promise<void> {
    await this.post({ room, type: 'm.poll.response', content: voteContent(poll, ids) })
  }

  /** words: what clients show that know no polls. */
  async endPoll(room: string, event: string, poll: Poll, words: string): Promise<void> {
    await this.post({ room, type: 'm.poll.end', content: endContent(event, poll, words) })
  }

  async react(room: string, event: string, key: string): Promise<void> {
    const relation = { rel_type: 'm.annotation', event_id: event, key }
    await this.post({ room, type: 'm.reaction', content: { 'm.relates_to': relation } })
  }

  /** Takes something back. What the server cannot have yet never goes; the rest is redacted, once it has its event. */
  async takeBack(room: string, id: string): Promise<void> {
    const item = await this.outbox.get(id)
    await (item && !mayBeThere(item) ? this.discard(id) : this.redact(room, item?.eventId ?? id))
  }

  async redact(room: string, event: string): Promise<void> {
    await this.post({ room, type: 'm.room.redaction', content: {}, redacts: event })
  }

  /** caption: what is said with the last of them. */
  async sendFiles(room: string, files: readonly File[], place: Place = {}, caption = ''): Promise<void> {
    for (const [at, given] of files.entries()) {
      const file = await bare(given)
      const said = caption && at === files.length - 1 ? { body: caption, 'm.mentions': {} } : {}
      const content = { ...(await describeFile(file)), ...said, ...related(place) }
      await this.post({ room, type: 'm.room.message', content, attachment: { blob: file, name: file.name } })
    }
  }

  async sendVoice(room: string, recording: Recording, place: Place = {}): Promise<void> {
    const { blob, name } = recording
    await this.post({ room, type: 'm.room.message', content: { ...voiceContent(recording), ...related(place) }, attachment: { blob, name } })
  }

  /** Tries something again that was refused; the id stays. */
  async retry(txn: string): Promise<void> {
    const item = await this.outbox.get(txn)
    if (!item || item.state !== 'failed') return
    const { error: _, ...rest } = item
    await this.outbox.put({ ...rest, state: 'queued', notBefore: 0 })
    this.hands.changed(item.room)
  }

  /** Takes out what has not gone out. */
  private async discard(txn: string): Promise<void> {
    const item = await this.outbox.get(txn)
    if (!item) return
    await this.outbox.remove(txn)
    this.hands.cancel(txn)
    this.hands.changed(item.room)
  }

  private async post(draft: Draft): Promise<void> {
    const why = takesBack(draft) ? undefined : whyShut(this.known.room(draft.room))
    if (why) throw new Refused(403, why, '')
    const now = Date.now()
    await this.outbox.add(draft, now).catch(async (error) => {
      if (!isFull(error)) throw error
      await this.hands.makeRoom()
      await this.outbox.add(draft, now)
    })
    this.hands.changed(draft.room)
  }
}

const words = ({ body, html }: Spoken) => ({ body, ...(html && { format: 'org.matrix.custom.html', formatted_body: html }) })
const worded = (said: Spoken): Json => ({ msgtype: 'm.text', ...words(said) })
const captionOf = (said: Spoken, name: string) => ({ filename: name, ...(said.body ? words(said) : { body: name }) })

/** Of a message that is a file what says which, and how it looks. */
function fileIn({ msgtype, url, file, info, 'org.matrix.msc1767.audio': sound }: Wording): Json {
  const small = info?.thumbnail_file && { thumbnail_file: wholeFile(info.thumbnail_file) }
  return { msgtype, ...(url !== undefined && { url }), ...(file && { file: wholeFile(file) }), ...(info && { info: { ...info, ...small } }), ...(sound && { 'org.matrix.msc1767.audio': sound }) }
}

function related({ replyTo, thread }: Place): Json {
  if (thread) return { 'm.relates_to': threadRelation(thread.root, thread.last, replyTo?.id) }
  return replyTo?.id ? { 'm.relates_to': { 'm.in_reply_to': { event_id: replyTo.id } } } : {}
}
