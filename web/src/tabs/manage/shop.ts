import type { Accessor } from 'solid-js'
import type { Channel } from '../../data/channel'
import type { Client } from '../../data/client'
import type { IntentDraft } from '../../data/intents'
import { mayWrite } from '../../data/manage'
import type { Role } from '../../net/interface'
import { orSay } from '../../ui/errors'

/** One channel, and who works for it here. */
export interface Shop {
  client: Client
  id: string
  channel: Accessor<Channel>
  role: Accessor<Role>
  poke(): void
}

export interface SectionProps {
  shop: Shop
  /** what stands in the address after the section's name */
  ids: readonly string[]
}

export const MAKE = 'manage make '

/** What is wanted in one section of a channel. */
export const laneOf = (shop: Pick<Shop, 'id'>, section: string): string => `manage ${shop.id} ${section} `

/** What is wanted is on disk first, and is sent with one key until it is answered. */
export const wish = (client: Client, draft: IntentDraft): void => orSay(client.intend(draft))

export const isOpen = (shop: Shop): boolean => !shop.channel().closed_ts

/** May texts be written here? */
export const isEditor = (shop: Shop): boolean => isOpen(shop) && mayWrite(shop.role())

export const isOwner = (shop: Shop): boolean => isOpen(shop) && shop.role() === 'owner'
