import { createMemo, createSignal, type Accessor } from 'solid-js'
import { callees, namesIn, spoken, typingAt, withName, type Callee, type Spoken, type Typing } from '../data/mentions'
import type { Room } from '../data/types'
import { t } from './settings'

/** The list of people that opens when an @ is typed. */
export interface Mentions {
  shown: Accessor<Callee[]>
  at: Accessor<number>
  look(area: HTMLTextAreaElement): void
  close(): void
  /** True when the key was for the list. */
  pressed(event: KeyboardEvent): boolean
  pick(callee: Callee): void
  /** The text as it is sent. */
  spoken(text: string): Spoken
  /** Another text is in the field: a draft; or a message that is edited, which called those. */
  recall(text: string, called?: readonly string[]): void
}

/** put: takes a text with a name in it, and where the caret goes. onOpen: a name is being typed. */
export function useMentions(room: () => Room | undefined, me: string, put: (text: string, caret: number) => void, onOpen: () => void): Mentions {
  const [typing, setTyping] = createSignal<(Typing & { text: string }) | null>(null)
  const [at, setAt] = createSignal(0)
  let picked: Callee[] = []
  const shown = createMemo(() => {
    const now = typing()
    const known = room()
    return now && known ? callees(known, now.words, me, t().everybody) : []
  })
  const close = () => void setTyping(null)

  function pick(callee: Callee): void {
    const now = typing()
    if (!now) return
    picked.push(callee)
    close()
    const { text, caret } = withName(now.text, now, callee.name)
    put(text, caret)
  }

  function pressed(event: KeyboardEvent): boolean {
    const count = shown().length
    if (count === 0 || event.isComposing) return false
    const acts: Record<string, () => void> = {
      ArrowDown: () => setAt((at() + 1) % count),
      ArrowUp: () => setAt((at() + count - 1) % count),
      Enter: () => pick(shown()[at()]!),
      Tab: () => pick(shown()[at()]!),
      Escape: close,
    }
    const act = event.shiftKey ? undefined : acts[event.key]
    act?.()
    if (act) event.preventDefault()
    return act !== undefined
  }

  return {
    shown,
    at,
    close,
    pick,
    pressed,
    look: (area) => {
      const found = area.selectionStart === area.selectionEnd ? typingAt(area.value, area.selectionStart) : null
      if (found && !typing()) onOpen()
      if (found?.words !== typing()?.words) setAt(0)
      setTyping(found && { ...found, text: area.value })
    },
    spoken: (text) => spoken(text, picked),
    recall: (text, called) => {
      const known = room()
      const named = known ? namesIn(text, known, me, t().everybody) : []
      picked = called ? named.filter(({ user }) => called.includes(user)) : named
    },
  }
}
