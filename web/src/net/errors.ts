/** No site answered. What was asked may or may not have happened; it is of a kind that may be asked again. */
export class Unreachable extends Error {
  override name = 'Unreachable'
}

/** It went out, and no answer came. Asked again it might happen twice, so the person has to look first. */
export class Unsure extends Error {
  override name = 'Unsure'
}

/** A site answered no. retryAfterMs: it says to come back, and nothing was decided yet. */
export class Refused extends Error {
  override name = 'Refused'
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fields: Record<string, unknown> = {},
    readonly retryAfterMs?: number,
  ) {
    super(message)
  }
}

/** May the same be had in a while? */
export const isForNow = (error: unknown): boolean => error instanceof Unreachable || (error instanceof Refused && error.retryAfterMs !== undefined)

const RETRY_MS = 2_000
const FULL = 507 // there is no room for it, and waiting makes none

/** Milliseconds a reply asks to wait: the body's retry_after_ms, the header in seconds, else a little. */
export function retryAfter(status: number, header: string | null, body: Record<string, unknown>): number | undefined {
  if ((status !== 429 && status < 500) || status === FULL) return undefined
  const told = body['retry_after_ms']
  if (typeof told === 'number' && told >= 0) return told
  const seconds = Number(header)
  return header !== null && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : RETRY_MS
}

export function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** header: retry-after. */
export function refusedBy(status: number, header: string | null, body: Record<string, unknown>): Refused {
  const code = typeof body['errcode'] === 'string' ? body['errcode'] : 'M_UNKNOWN'
  return new Refused(status, code, String(body['error'] ?? ''), body, retryAfter(status, header, body))
}
