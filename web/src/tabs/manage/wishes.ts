import type { Accessor } from 'solid-js'
import { isOpen, type Intent } from '../../data/intents'
import { intent } from '../../data/service'
import { newTransaction } from '../../data/outbox'
import { Refused, Unreachable } from '../../net/errors'
import { requestOf, type Answer, type Body, type Operation, type Params } from '../../net/services'
import { explain } from '../../ui/errors'
import { whyOf } from '../services/Parts'
import { intentsOf } from '../services/sight'
import { laneOf, wish, type Shop } from './shop'
import { w } from './words'

type Write = Exclude<Operation, `GET ${string}`>

/** What is wanted in a section: what waits, and how to want more. */
export interface Wishes {
  intents: Accessor<Intent[]>
  isBusy: Accessor<boolean>
  /** about: what must happen in order is about the same thing */
  want: <Of extends Write>(of: Of, params: Omit<Params<Of>, 'channel_id'>, body: Body<Of>, about?: string) => void
}

/** onDone: each that was answered, once. */
export function wishesIn(shop: Shop, section: string, onDone: (done: Intent) => void): Wishes {
  const intents = intentsOf(shop.client, () => laneOf(shop, section), onDone)
  return {
    intents,
    isBusy: () => intents().some(isOpen),
    want: (of, params, body, about = '') => wish(shop.client, intent(of, { channel_id: shop.id, ...params } as Params<typeof of>, body, `${laneOf(shop, section)}${about}`)),
  }
}

/** What an intent wants, in words: by its method and the end of its path. */
export function intentName({ what, method }: Intent): string {
  const last = what.split('/').at(-1)!
  return w().doing[`${method} ${last}`] ?? w().doing[last] ?? last
}

/**
 * A write whose answer tells a secret, which is told once and must not lie on disk: it is not kept as an intent. Asked
 * again after no answer came, with the same wish, it has the same key, so it is done once.
 */
export function onceOf<Of extends Write>(shop: Shop, of: Of): (params: Omit<Params<Of>, 'channel_id'>, body: Body<Of>) => Promise<Answer<Of>> {
  let kept: { said: string; key: string } | undefined
  return async (params, body) => {
    const { method, path } = requestOf(of, { channel_id: shop.id, ...params } as Params<Of>)
    const said = JSON.stringify([path, body])
    if (kept?.said !== said) kept = { said, key: newTransaction() }
    try {
      const answer = await shop.client.matrix.intend<Answer<Of>>(method, path, body as never, kept.key)
      kept = undefined
      return answer
    } catch (error) {
      if (!(error instanceof Unreachable)) kept = undefined
      throw error
    }
  }
}

/** Why such a write came to nothing, and what to do. */
export function whyNot(error: unknown): string {
  if (error instanceof Unreachable) return w().unsure
  return error instanceof Refused ? whyOf({ error }, w().errors) : explain(error)
}
