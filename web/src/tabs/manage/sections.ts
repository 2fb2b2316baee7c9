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
  home: { icon: 'channel', view: lazy(() => import('./EditHome')) },
}
