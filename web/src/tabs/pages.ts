import { lazy, type Component } from 'solid-js'
import type { IconName } from '../ui/Icon'
import { t } from '../ui/settings'

export interface PageProps {
  /** what stands in the address after the page's name */
  ids: readonly string[]
}

export interface ServicePage {
  icon: IconName
  title: () => string
  /** Loaded when it is opened first: what nobody opens costs nobody a byte. */
  view: Component<PageProps>
  /** not in the list of services: it is opened from a room, or from another page */
  isHidden?: true
}

/** Each page of a service, by its name in the address. A new one finds its place here: `view: lazy(() => import(…))`. */
export const PAGES: Readonly<Record<string, ServicePage>> = {
  drawer: { icon: 'photo', title: () => t().drawer, view: lazy(() => import('./media/DrawerPage')) },
  booking: { icon: 'ticket', title: () => t().booking, view: lazy(() => import('./booking/Booking').then(({ Booking }) => ({ default: Booking }))) },
  channels: { icon: 'channel', title: () => t().channels, view: lazy(() => import('./channels/Channels').then(({ Channels }) => ({ default: Channels }))) },
  manage: { icon: 'shop', title: () => t().manage, view: lazy(() => import('./manage/Manage').then(({ Manage }) => ({ default: Manage }))) },
  board: { icon: 'bed', title: () => t().board, view: lazy(() => import('./board/Board').then(({ Board }) => ({ default: Board }))) },
  encryption: {
    icon: 'lock',
    title: () => t().encryption,
    view: lazy(() => import('./crypto/Encryption').then(({ Encryption }) => ({ default: Encryption }))),
    isHidden: true,
  },
  settings: { icon: 'key', title: () => t().settings, view: lazy(() => import('./settings/Settings')), isHidden: true },
}
