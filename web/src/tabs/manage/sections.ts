import { lazy, type Component } from 'solid-js'
import type { Section } from '../../data/manage'
import type { IconName } from '../../ui/Icon'
import type { SectionProps } from './shop'

export interface SectionPage {
  icon: IconName
  /** Loaded when it is opened first. */
  view: Component<SectionProps>
  /** it takes the whole page, and leads back by itself */
  isWhole?: true
}

/** What stands in a channel's page, by its name in the address. A new one finds its place here, and its order in data/manage.ts. */
export const SECTIONS: Partial<Record<Section, SectionPage>> = {
  desk: { icon: 'chats', view: lazy(() => import('../channels/desk/Desk')), isWhole: true },
  broadcasts: { icon: 'send', view: lazy(() => import('./Broadcasts')) },
  posts: { icon: 'file', view: lazy(() => import('./Posts')) },
  home: { icon: 'channel', view: lazy(() => import('./EditHome')) },
  followers: { icon: 'people', view: lazy(() => import('./Followers')) },
  templates: { icon: 'thread', view: lazy(() => import('./Templates')) },
  staff: { icon: 'friends', view: lazy(() => import('./Staff')) },
  mark: { icon: 'check', view: lazy(() => import('./Mark')) },
  keys: { icon: 'key', view: lazy(() => import('./Keys')) },
  webhooks: { icon: 'link', view: lazy(() => import('./Webhooks')) },
  record: { icon: 'shield', view: lazy(() => import('./Record')) },
  close: { icon: 'close', view: lazy(() => import('./Close')) },
}
