/** What a push says, and how it is told: pure, so that it can be tested without a browser. */

export interface Pushed {
  event_id?: string
  room_id?: string
  type?: string
  sender?: string
  sender_display_name?: string
  room_name?: string
  membership?: string
  user_is_target?: boolean
  content?: Told
  counts?: { unread?: number; missed_calls?: number }
  tweaks?: { sound?: string; highlight?: boolean }
  /** what this browser asked for when it subscribed */
  data?: { lang?: string; shows?: string; device?: string }
}

export interface Told {
  msgtype?: unknown
  body?: unknown
}

export interface Notice {
  title: string
  body: string
  /** One notification a room: a newer one takes the place of the one before. */
  tag: string
  silent: boolean
}

const WORDS = {
  ko: {
    app: '봉수',
    news: '새 메시지가 있습니다',
    invited: '대화에 초대했습니다',
    call: '전화가 왔습니다',
    secret: '암호화된 메시지',
    kinds: { 'm.image': '사진', 'm.video': '동영상', 'm.audio': '오디오', 'm.file': '파일', 'm.location': '위치' } as Record<string, string>,
  },
  en: {
    app: 'Bongsu',
    news: 'You have a new message',
    invited: 'invited you to a chat',
    call: 'is calling you',
    secret: 'Encrypted message',
    kinds: { 'm.image': 'Photo', 'm.video': 'Video', 'm.audio': 'Audio', 'm.file': 'File', 'm.location': 'Location' } as Record<string, string>,
  },
}

const LINE_MAX = 300
const APP = /^\/app(\/|$)/

/** Is a push for whoever is signed in here? What was still on its way to somebody before them is shown to nobody. */
export const isFor = ({ data }: Pushed, session: { device: string } | undefined): boolean => session !== undefined && (data?.device ?? session.device) === session.device

/** Is a page of this origin the app? Others, such as the account's pages, show no messages. */
export const isApp = (address: string): boolean => APP.test(new URL(address).pathname)

export const hidesText = (push: Pushed): boolean => push.data?.shows === 'nothing'

/** Does the text have to be asked of the server? */
export const lacksText = (push: Pushed): boolean => !hidesText(push) && push.content === undefined && push.type !== 'm.room.encrypted' && push.type !== 'm.room.member' && push.type !== 'm.call.invite'

/** told: the content, from the push itself or from the server. Null: there is nothing to tell but counts. */
export function noticeOf(push: Pushed, told: Told | undefined): Notice | null {
  if (!push.event_id || !push.room_id) return null
  const words = push.data?.lang === 'en' ? WORDS.en : WORDS.ko
  const silent = push.tweaks?.sound === undefined
  if (hidesText(push)) return { title: words.app, body: words.news, tag: push.room_id, silent }
  const sender = push.sender_display_name || push.sender || words.app
  const room = push.room_name || sender
  const said = lineOf(push, told, words)
  return { title: room, body: room === sender ? said : `${sender}: ${said}`, tag: push.room_id, silent }
}

function lineOf(push: Pushed, told: Told | undefined, words: (typeof WORDS)['ko']): string {
  if (push.type === 'm.room.member') return push.user_is_target && push.membership === 'invite' ? words.invited : words.news
  if (push.type === 'm.call.invite') return words.call
  if (push.type === 'm.room.encrypted') return words.secret
  const kind = typeof told?.msgtype === 'string' ? words.kinds[told.msgtype] : undefined
  if (kind) return kind
  const body = typeof told?.body === 'string' ? told.body.trim() : ''
  return body ? [...body].slice(0, LINE_MAX).join('') : words.news
}

export function parsePush(text: string): Pushed {
  try {
    const said: unknown = JSON.parse(text)
    return typeof said === 'object' && said !== null ? said : {}
  } catch {
    return {}
  }
}
