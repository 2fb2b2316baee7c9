import type { Accessor } from 'solid-js'
import type { Agent } from '../../../data/channelDesk'
import type { Intent } from '../../../data/intents'
import { localpart } from '../../../data/rooms'
import type { SettingsSaid, Staff } from '../../../net/interface'
import { openPage } from '../../../ui/route'
import type { Shop } from '../../manage/shop'
import type { Sight } from '../../services/sight'
import { w } from './words'

/** An answer that the server has, and the customer's room has not yet. isRefused: it never will. */
export interface Sent {
  talk: string
  messageId: string
  body: string
  at: number
  isRefused: boolean
}

/** One desk, and who sits at it here. */
export interface Place {
  shop: Shop
  settings: Sight<SettingsSaid>
  staff: Accessor<Staff[]>
  intents: Accessor<Intent[]>
  sent: Accessor<Sent[]>
  setSent(next: (before: Sent[]) => Sent[]): void
  /** the server's time */
  now: Accessor<number>
  /** how often something that was wanted was done */
  done: Accessor<number>
  saw(talk: string, newest: number): void
}

export const agentOf = ({ shop, settings }: Place): Agent => ({
  me: shop.client.me,
  isLead: shop.role() === 'owner',
  hasBot: settings.value()?.has_bot === true,
})

export const nameOf = ({ shop }: Place, user: string): string => (user === shop.client.me ? w().me : localpart(user))

export const customerName = (talk: { customer: string; name?: string | null }): string => talk.name || localpart(talk.customer)

/** view: "talk" and its id, "hours", "figures"; nothing for the list. */
export const openDesk = (channel: string, ...view: string[]): void => openPage('manage', channel, 'desk', ...view)

/** What a person writes is not taken for a shortcut. */
export const isWriting = (target: EventTarget | null): boolean => target instanceof Element && target.closest('input, textarea, select, [contenteditable], dialog') !== null
