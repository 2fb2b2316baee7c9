import { createSignal, For, Show, type JSX } from 'solid-js'
import { personName } from '../../ui/personName'
import { ask } from '../../data/service'
import type { Role, Staff as Member, StaffSaid } from '../../net/interface'
import { Confirm, Dialog } from '../../ui/Dialog'
import { PeoplePicker, type Picked } from '../../ui/PeoplePicker'
import { dayAndClock, t } from '../../ui/settings'
import { Fresh, Pending } from '../services/Parts'
import { sight } from '../services/sight'
import { Rows } from './parts'
import { isOpen, isOwner, type SectionProps } from './shop'
import { intentName, wishesIn } from './wishes'
import { w } from './words'
import { ow } from './words/people'

const ONE = '/_bongsu/v1/channels/{channel_id}/staff/{user_id}'
const ROLES: readonly Role[] = ['agent', 'editor']
const ORDER: readonly Role[] = ['owner', 'editor', 'agent']

type Asked = { what: 'dismiss' | 'hand over'; who: Member } | { what: 'take over' }

/** Who works for the channel, and as what. */
export default function Staff(props: SectionProps): JSX.Element {
  const { shop } = props
  const [isNew, setNew] = createSignal(false)
  const [asked, setAsked] = createSignal<Asked>()
  const staff = sight<StaffSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/staff', { channel_id: shop.id }),
    pace: () => 60_000,
    name: `manage staff ${shop.id}`,
  })
  const wishes = wishesIn(shop, 'staff', () => {
    staff.poke()
    shop.poke()
  })
  const appoint = (user_id: string, role: Role) => wishes.want(`PUT ${ONE}`, { user_id }, { role }, user_id)
  const listed = () => (staff.value()?.staff ?? []).toSorted((one, other) => ORDER.indexOf(one.role) - ORDER.indexOf(other.role) || one.since_ts - other.since_ts)
  const isMe = (who: Member) => who.user_id === shop.client.me
  function sure(asked: Asked): void {
    if (asked.what === 'dismiss') wishes.want(`DELETE ${ONE}`, { user_id: asked.who.user_id }, undefined, asked.who.user_id)
    else appoint(asked.what === 'take over' ? shop.client.me : asked.who.user_id, 'owner')
    setAsked(undefined)
  }
  /** What is asked, and the word for yes. */
  function words(asked: Asked): [title: string, text: string, action: string] {
    if (asked.what === 'take over') return [ow().takeOver, ow().takeOverConfirm, ow().takeOver]
    const name = personName(shop.client, asked.who.user_id)
    if (asked.what === 'hand over') return [ow().handOver, ow().handOverConfirm(name), ow().offer]
    return isMe(asked.who) ? [ow().leave, ow().leaveConfirm, ow().leave] : [ow().dismissOf(name), ow().dismissConfirm, ow().dismiss]
  }
  return (
    <>
      <dl class="facts block">
        <For each={ORDER}>
          {(role) => (
            <>
              <dt>{w().roles[role]}</dt>
              <dd>{w().rolesHint[role]}</dd>
            </>
          )}
        </For>
      </dl>
      <Show when={isOwner(shop)}>
        <p class="choices">
          <button type="button" class="strong" onClick={() => setNew(true)}>
            {ow().invite}
          </button>
        </p>
      </Show>
      <Fresh of={staff} />
      <Pending intents={wishes.intents()} nameOf={intentName} errors={w().errors} />
      <Show when={isOpen(shop) && shop.channel().mine?.offered}>
        <p class="card-line">
          <span>{ow().offeredToMe}</span>
          <button type="button" class="plain" onClick={() => setAsked({ what: 'take over' })}>
            {ow().takeOver}
          </button>
        </p>
      </Show>
      <Show when={isOwner(shop) && staff.value()?.offered_to}>
        {(to) => (
          <p class="card-line">
            <span>{ow().offeredTo(personName(shop.client, to()), dayAndClock(staff.value()?.offered_until ?? 0))}</span>
            <button type="button" class="plain" onClick={() => appoint(shop.client.me, 'owner')}>
              {ow().offerNoMore}
            </button>
          </p>
        )}
      </Show>
      <ul class="cards tight">
        <Rows rows={listed()} id={(who) => who.user_id} fallback={<li class="empty">{t().loading}</li>}>
          {(who) => (
            <li class="block line-card" data-role={who().role}>
              <span class="what">
                <strong>
                  {personName(shop.client, who().user_id)} {isMe(who()) ? `(${ow().you})` : ''}
                </strong>
                <span class="quiet small">
                  {who().user_id} · {ow().since(dayAndClock(who().since_ts))}
                </span>
                <span class="tags">
                  <span class="tag">{w().roles[who().role]}</span>
                </span>
              </span>
              <span class="acts">
                <Show when={isOwner(shop) && who().role !== 'owner'}>
                  <select aria-label={ow().changeRole(personName(shop.client, who().user_id))} onChange={(event) => appoint(who().user_id, event.currentTarget.value as Role)}>
                    <For each={ROLES}>
                      {(role) => (
                        <option value={role} selected={role === who().role}>
                          {w().roles[role]}
                        </option>
                      )}
                    </For>
                  </select>
                  <button type="button" class="plain" onClick={() => setAsked({ what: 'hand over', who: who() })}>
                    {ow().handOver}
                  </button>
                </Show>
                <Show when={isOpen(shop) && who().role !== 'owner' && (isOwner(shop) || isMe(who()))}>
                  <button type="button" class="plain" aria-label={isMe(who()) ? ow().leave : ow().dismissOf(personName(shop.client, who().user_id))} onClick={() => setAsked({ what: 'dismiss', who: who() })}>
                    {isMe(who()) ? ow().leave : ow().dismiss}
                  </button>
                </Show>
              </span>
            </li>
          )}
        </Rows>
      </ul>
      <Show when={isOwner(shop)}>
        <p class="quiet small">{ow().owned}</p>
      </Show>
      <Show when={isNew()}>
        <Invite
          without={listed().map((who) => who.user_id)}
          onPick={(user, role) => {
            appoint(user, role)
            setNew(false)
          }}
          onClose={() => setNew(false)}
        />
      </Show>
      <Show when={asked()} keyed>
        {(question) => (
          <Confirm title={words(question)[0]} text={words(question)[1]} action={words(question)[2]} onClose={() => setAsked(undefined)} onYes={() => sure(question)} />
        )}
      </Show>
    </>
  )
}

function Invite(props: { without: readonly string[]; onPick: (user: string, role: Role) => void; onClose: () => void }): JSX.Element {
  const [picked, setPicked] = createSignal<Picked[]>([])
  const [role, setRole] = createSignal<Role>('agent')
  return (
    <Dialog kind="page" title={ow().invite} onClose={props.onClose}>
      <div class="form">
        <fieldset class="kinds">
          <legend>{ow().role}</legend>
          <For each={ROLES}>
            {(one) => (
              <label class="kind">
                <input type="radio" name="role" value={one} checked={role() === one} onChange={() => setRole(one)} />
                <span>
                  <strong>{w().roles[one]}</strong>
                  <small class="hint">{w().rolesHint[one]}</small>
                </span>
              </label>
            )}
          </For>
        </fieldset>
      </div>
      <PeoplePicker picked={picked()} without={props.without} onChange={(all) => setPicked(all.slice(-1))} />
      <div class="padded">
        <button type="button" class="strong wide" disabled={picked().length === 0} onClick={() => props.onPick(picked()[0]!.user, role())}>
          {picked().length === 0 ? ow().inviteOne : ow().invite}
        </button>
      </div>
    </Dialog>
  )
}
