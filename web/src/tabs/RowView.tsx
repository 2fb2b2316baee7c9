import { Match, Switch, type JSX } from 'solid-js'
import type { Link } from '../data/links'
import type { Message, Row } from '../data/timeline'
import type { Conversation } from '../ui/openRoom'
import { notice } from '../ui/phrases'
import { day, t } from '../ui/settings'
import { MessageRow } from './MessageRow'

interface Props {
  row: Row | undefined
  open: Conversation
  onMenu: (message: Message) => void
  onPhoto: (message: Message) => void
  onDanger: (link: Link) => void
  onJump: (event: string) => void
  /** Not where a thread is shown already. */
  onThread?: (root: string) => void
  onDate?: (ts: number) => void
}

type Kind<K extends Row['kind']> = Extract<Row, { kind: K }>

/** One row of a conversation, whatever it is. */
export function RowView(props: Props): JSX.Element {
  const as = <K extends Row['kind']>(kind: K) => (props.row?.kind === kind ? (props.row as Kind<K>) : undefined)
  return (
    <Switch>
      <Match when={as('message')}>
        {(row) => (
          <MessageRow
            message={row().message}
            first={row().first}
            last={row().last}
            room={props.open.room()!}
            quoted={row().message.replyTo ? props.open.message(row().message.replyTo!) : undefined}
            onMenu={props.onMenu}
            onPhoto={props.onPhoto}
            onDanger={props.onDanger}
            onJump={props.onJump}
            onThread={props.onThread}
          />
        )}
      </Match>
      <Match when={as('event')}>{(row) => <p class="event">{notice(props.open.room()!, row().entry)}</p>}</Match>
      <Match when={as('date')}>{(row) => <DateLine ts={row().ts} onDate={props.onDate} />}</Match>
      <Match when={as('unread')}>
        <p class="divider unread">
          <span>{t().firstUnread}</span>
        </p>
      </Match>
      <Match when={as('hole')}>
        <p class="divider">
          <span>{t().hole}</span>
        </p>
      </Match>
      <Match when={as('start')}>
        <p class="event">{t().roomStart}</p>
      </Match>
    </Switch>
  )
}

function DateLine(props: { ts: number; onDate: ((ts: number) => void) | undefined }): JSX.Element {
  return (
    <p class="divider">
      <button type="button" aria-haspopup="dialog" disabled={!props.onDate} onClick={() => props.onDate?.(props.ts)}>
        {day(props.ts)}
        <span class="unseen">{props.onDate ? `, ${t().toDate}` : ''}</span>
      </button>
    </p>
  )
}
