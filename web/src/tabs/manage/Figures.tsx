import { For, type JSX } from 'solid-js'
import type { AudienceSaid } from '../../net/interface'
import { ow } from './words/people'

/** How many follow, and agreed to what. */
export const Figures = (props: { of: AudienceSaid | undefined }): JSX.Element => (
  <dl class="figures block">
    <For each={['followers', 'advertising', 'advertising_at_night'] as const}>
      {(name) => (
        <div>
          <dt>{ow().figures[name]}</dt>
          <dd>{props.of ? ow().people(props.of[name]) : '–'}</dd>
        </div>
      )}
    </For>
  </dl>
)
