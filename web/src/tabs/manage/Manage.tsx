import { createSignal, For, lazy, Match, Show, Suspense, Switch, type JSX } from 'solid-js'
import type { Channel } from '../../data/channel'
import { roleOf, sectionsFor, type Section } from '../../data/manage'
import { ask, intent, isRefused } from '../../data/service'
import type { ChannelSaid } from '../../net/interface'
import { Avatar } from '../../ui/Avatar'
import { useClient } from '../../ui/client'
import { Dialog } from '../../ui/Dialog'
import { Icon } from '../../ui/Icon'
import { openPage, pathOf, plainClick } from '../../ui/route'
import { say } from '../../ui/say'
import { screen } from '../../ui/screen'
import { t } from '../../ui/settings'
import { Official } from '../channels/Official'
import type { PageProps } from '../pages'
import { Field, Fresh, Pending, read } from '../services/Parts'
import { intentsOf, sight, type Sight } from '../services/sight'
import { sw } from '../services/words'
import { Rows } from './parts'
import { SECTIONS } from './sections'
import { MAKE, wish, type Shop } from './shop'
import { w } from './words'
import './manage.css'

const WIDE = '(min-width: 75rem)' // as in manage.css
const Overview = lazy(() => import('./Overview'))

/** The channels for which one works; with a channel's id, what is to be done for it. */
export function Manage(props: PageProps): JSX.Element {
  return (
    <div class="service manage">
      <Show when={props.ids[0]} fallback={<Mine />} keyed>
        {(id) => <OfChannel id={id} ids={props.ids.slice(1)} />}
      </Show>
    </div>
  )
}

function Mine(): JSX.Element {
  const client = useClient()
  const [isNew, setNew] = createSignal(false)
  const mine = sight<{ channels: Channel[] }>(client, {
    look: () => ask(client.matrix, 'GET /_bongsu/v1/channels/mine', {}),
    pace: () => 60_000,
    name: 'manage mine',
  })
  const intents = intentsOf(client, () => MAKE, (done) => {
    const made = done.answer as unknown as ChannelSaid
    const near = (made.resembles ?? []).map((one) => one.name).join(', ')
    say(near ? w().near(near) : w().made)
    openPage('manage', made.channel_id)
  })
  return (
    <div class="scroll">
      <div class="stack">
        <p class="choices">
          <button type="button" class="strong" onClick={() => setNew(true)}>
            {w().make}
          </button>
        </p>
        <Fresh of={mine} />
        <Pending intents={intents()} nameOf={() => w().make} errors={w().errors} />
        <section aria-label={w().mine}>
          <h2>{w().mine}</h2>
          <ul class="channels">
            <Rows
              rows={mine.value()?.channels}
              id={(channel) => channel.channel_id}
              fallback={
                <li class="empty">
                  <Show when={mine.value()} fallback={t().loading}>
                    <strong>{w().none}</strong>
                    {w().noneHint}
                  </Show>
                </li>
              }
            >
              {(channel) => (
                <li>
                  <a class="entry" href={pathOf({ tab: 'services', page: ['manage', channel().channel_id] })} onClick={plainClick(() => openPage('manage', channel().channel_id))}>
                    <Named channel={channel()} />
                  </a>
                </li>
              )}
            </Rows>
          </ul>
        </section>
      </div>
      <Show when={isNew()}>
        <NewChannelForm onClose={() => setNew(false)} />
      </Show>
    </div>
  )
}

function Named(props: { channel: Channel }): JSX.Element {
  const client = useClient()
  return (
    <>
      <Avatar media={client.media} id={props.channel.account} name={props.channel.name} uri={props.channel.avatar ?? undefined} />
      <span class="what">
        <span class="name">
          <span>{props.channel.name}</span> <Official channel={props.channel} />
        </span>
        <span class="line">
          {[w().roles[roleOf(props.channel) ?? 'agent'], props.channel.closed_ts ? w().closedShort : w().followers(props.channel.followers)].join(' · ')}
        </span>
      </span>
    </>
  )
}

function NewChannelForm(props: { onClose: () => void }): JSX.Element {
  const client = useClient()
  function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): void {
    event.preventDefault()
    const said = read(event.currentTarget)
    wish(client, intent('POST /_bongsu/v1/channels', {}, { name: said['name'] ?? '', about: said['about'] ?? '' }, MAKE))
    props.onClose()
  }
  return (
    <Dialog title={w().make} onClose={props.onClose}>
      <form class="form" onSubmit={send}>
        <p class="quiet">{w().makeHint}</p>
        <Field label={w().name} hint={w().nameHint}>
          <input name="name" required maxlength="40" autocomplete="off" autofocus />
        </Field>
        <Field label={`${w().about} (${sw().optional})`} hint={w().aboutHint}>
          <textarea name="about" maxlength="500" rows="3" />
        </Field>
        <button class="strong wide">{w().make}</button>
      </form>
    </Dialog>
  )
}

function OfChannel(props: { id: string; ids: readonly string[] }): JSX.Element {
  const client = useClient()
  const channel = sight<Channel>(client, {
    look: () => ask(client.matrix, 'GET /_bongsu/v1/channels/{channel_id}', { channel_id: props.id }),
    pace: () => 60_000,
    name: `channel ${props.id}`,
  })
  return (
    <Show when={roleOf(channel.value())} fallback={<Without of={channel} />}>
      {(role) => <Whole shop={{ client, id: props.id, channel: () => channel.value()!, role, poke: channel.poke }} of={channel} ids={props.ids} />}
    </Show>
  )
}

function Without(props: { of: Sight<Channel> }): JSX.Element {
  return (
    <div class="scroll">
      <div class="stack">
        <Switch fallback={<Fresh of={props.of} />}>
          <Match when={isRefused(props.of.error(), 404)}>
            <p class="empty">{sw().errors['M_NOT_FOUND']}</p>
          </Match>
          <Match when={props.of.value()}>
            <p class="empty">{w().notStaff}</p>
          </Match>
        </Switch>
      </div>
    </div>
  )
}

/** On a phone the list of sections, or one of them; where there is room, both beside each other. */
function Whole(props: { shop: Shop; of: Sight<Channel>; ids: readonly string[] }): JSX.Element {
  const listed = (): Section[] => sectionsFor(props.shop.role()).filter((section) => SECTIONS[section])
  const asked = () => props.ids[0] as Section | undefined
  const shown = () => (asked() && listed().includes(asked()!) ? asked() : undefined)
  const whole = () => (shown() && SECTIONS[shown()!]?.isWhole ? SECTIONS[shown()!] : undefined)
  return (
    <Show when={whole()} fallback={<Framed {...props} listed={listed()} asked={asked()} shown={shown()} />} keyed>
      {(page) => (
        <Suspense fallback={<p class="empty">{t().loading}</p>}>
          <page.view shop={props.shop} ids={props.ids.slice(1)} />
        </Suspense>
      )}
    </Show>
  )
}

function Framed(props: { shop: Shop; of: Sight<Channel>; ids: readonly string[]; listed: Section[]; asked: Section | undefined; shown: Section | undefined }): JSX.Element {
  return (
    <div class="desk-frame" classList={{ within: props.asked !== undefined }}>
      <div class="sections-side">
        <Head shop={props.shop} />
        <nav class="sections" aria-label={w().toSections}>
          <ul>
            <For each={props.listed}>{(section) => <Link shop={props.shop} section={section} isHere={props.asked === section} />}</For>
          </ul>
        </nav>
        <Show when={props.of.error()}>
          <Fresh of={props.of} />
        </Show>
      </div>
      <div class="scroll section-main">
        <div class="stack">
          <p class="to-sections">
            <a href={pathOf({ tab: 'services', page: ['manage', props.shop.id] })} onClick={plainClick(() => openPage('manage', props.shop.id))}>
              <Icon name="back" />
              {props.shop.channel().name}
            </a>
          </p>
          <Show when={props.shop.channel().closed_ts}>
            <p class="wrong">{w().closed}</p>
          </Show>
          <Show when={props.asked} fallback={<Beside shop={props.shop} />}>
            <Show when={props.shown} fallback={<p class="empty">{w().notYours}</p>} keyed>
              {(section) => <Opened shop={props.shop} section={section} ids={props.ids.slice(1)} />}
            </Show>
          </Show>
        </div>
      </div>
    </div>
  )
}

/** Without a section: how the channel stands, where it is seen. */
function Beside(props: { shop: Shop }): JSX.Element {
  const isWide = screen(WIDE)
  return (
    <Show when={isWide()}>
      <Suspense fallback={<p class="empty">{t().loading}</p>}>
        <Overview shop={props.shop} />
      </Suspense>
      <p class="quiet">{w().pick}</p>
    </Show>
  )
}

function Opened(props: { shop: Shop; section: Section; ids: readonly string[] }): JSX.Element {
  const page = SECTIONS[props.section]!
  return (
    <>
      <h2>{w().sections[props.section]}</h2>
      <Suspense fallback={<p class="empty">{t().loading}</p>}>
        <page.view shop={props.shop} ids={props.ids} />
      </Suspense>
    </>
  )
}

function Head(props: { shop: Shop }): JSX.Element {
  const channel = () => props.shop.channel()
  return (
    <section class="block manage-head" aria-label={channel().name}>
      <Avatar media={props.shop.client.media} id={channel().account} name={channel().name} uri={channel().avatar ?? undefined} />
      <div>
        <h2>
          {channel().name} <Official channel={channel()} />
        </h2>
        <p class="quiet small">
          {w().roles[props.shop.role()]} · {w().followers(channel().followers)}
        </p>
        <p class="small">
          <a href={pathOf({ tab: 'services', page: ['channels', props.shop.id] })} onClick={plainClick(() => openPage('channels', props.shop.id))}>
            {w().seeHome}
          </a>
        </p>
      </div>
    </section>
  )
}

function Link(props: { shop: Shop; section: Section; isHere: boolean }): JSX.Element {
  const page = () => ['manage', props.shop.id, props.section]
  return (
    <li>
      <a href={pathOf({ tab: 'services', page: page() })} aria-current={props.isHere ? 'page' : undefined} onClick={plainClick(() => openPage(...page()))}>
        <Icon name={SECTIONS[props.section]!.icon} />
        <span>{w().sections[props.section]}</span>
      </a>
    </li>
  )
}
