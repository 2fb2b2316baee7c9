/** A room's pinned messages. The first one is its notice: it stands above the conversation. */

export const PINNED = 'm.room.pinned_events'

export type Pinning = 'pin' | 'notice' | 'unpin'

/** The list after somebody pinned a message, made it the notice, or took it down; undefined if nothing changes. */
export function repinned(pinned: readonly string[], event: string, how: Pinning): string[] | undefined {
  const rest = pinned.filter((one) => one !== event)
  if (how === 'unpin') return rest.length < pinned.length ? rest : undefined
  if (how === 'notice') return pinned[0] === event ? undefined : [event, ...rest]
  return rest.length < pinned.length ? undefined : [...rest, event]
}
