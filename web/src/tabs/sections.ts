import type { IconName } from '../ui/Icon'

export type Section = 'notifications' | 'quiet' | 'account' | 'privacy' | 'data'

/** The sections of the settings, in the order in which they are listed. */
export const SECTIONS: readonly { id: Section; icon: IconName }[] = [
  { id: 'notifications', icon: 'bell' },
  { id: 'quiet', icon: 'moon' },
  { id: 'account', icon: 'key' },
  { id: 'privacy', icon: 'shield' },
  { id: 'data', icon: 'download' },
]
