import type { JSX } from 'solid-js'
import type { Link } from '../data/links'
import { Dialog } from '../ui/Dialog'
import { t } from '../ui/settings'

/** Asks before a link that may be a trap is opened. */
export function DangerousLink(props: { link: Link; onClose: () => void }): JSX.Element {
  return (
    <Dialog kind="small" title={t().openLink} onClose={props.onClose}>
      <div class="padded">
        <p class="wrong">{props.link.danger === 'installer' ? t().installer : t().lookalike}</p>
        <p class="hint">{t().linkLeads}</p>
        <p>
          <strong>{props.link.host}</strong>
        </p>
        <p class="choices">
          <a class="plain" href={props.link.href} target="_blank" rel="noreferrer noopener" onClick={() => props.onClose()}>
            {t().openAnyway}
          </a>
          <button type="button" class="strong" onClick={() => props.onClose()} autofocus>
            {t().cancel}
          </button>
        </p>
      </div>
    </Dialog>
  )
}
