/** Quiet hours as the account keeps them for all clients; the server obeys them. */
export interface QuietSpan {
  from: string
  to: string
  /** ISO: 1 is Monday; none are all */
  days?: number[]
}

export interface QuietHours {
  enabled: boolean
  time_zone: string
  spans: QuietSpan[]
  paused_until_ms: number
  let_through: { mentions: boolean; users: string[]; rooms: string[] }
}

export const QUIET_HOURS = 'org.bongsu.quiet_hours'
export const SPANS_MAX = 14
export const NIGHT: QuietSpan = { from: '22:00', to: '07:00' }

const TIME = /^([01]\d|2[0-3]):[0-5]\d$/
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [])
const isTime = (value: unknown): value is string => typeof value === 'string' && TIME.test(value)
const objectOf = (value: unknown): Record<string, unknown> => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {})

export const isWhole = (span: QuietSpan): boolean => isTime(span.from) && isTime(span.to)

/** What is there, in full; anything that is not as it should be is left out. */
export function quietOf(content: unknown, zone: string): QuietHours {
  const told = objectOf(content)
  const through = objectOf(told['let_through'])
  const spans = (Array.isArray(told['spans']) ? told['spans'] : []).map(objectOf).filter((span) => isTime(span['from']) && isTime(span['to']))
  return {
    enabled: told['enabled'] === true,
    time_zone: typeof told['time_zone'] === 'string' ? told['time_zone'] : zone,
    spans: spans.slice(0, SPANS_MAX).map((span) => ({ from: span['from'] as string, to: span['to'] as string, days: daysOf(span['days']) })),
    paused_until_ms: typeof told['paused_until_ms'] === 'number' ? told['paused_until_ms'] : 0,
    let_through: { mentions: through['mentions'] === true, users: texts(through['users']), rooms: texts(through['rooms']) },
  }
}

function daysOf(value: unknown): number[] {
  const days = Array.isArray(value) ? value.filter((day): day is number => Number.isInteger(day) && day >= 1 && day <= 7) : []
  return [...new Set(days)].toSorted()
}

/** With a day more or less; one stays. All of them are written as none, which is what the server takes for every day. */
export function toggleDay(span: QuietSpan, day: number): QuietSpan {
  const all = span.days?.length ? span.days : [1, 2, 3, 4, 5, 6, 7]
  const next = all.includes(day) ? all.filter((one) => one !== day) : [...all, day].toSorted()
  if (next.length === 0) return span
  return { ...span, days: next.length === 7 ? [] : next }
}

export const hasDay = (span: QuietSpan, day: number): boolean => !span.days?.length || span.days.includes(day)

/** Tomorrow (or today, before it) at this hour, on this device's clock. */
export function nextMorning(now: number, hour: number): number {
  const at = new Date(now)
  at.setHours(hour, 0, 0, 0)
  if (at.getTime() <= now) at.setDate(at.getDate() + 1)
  return at.getTime()
}
