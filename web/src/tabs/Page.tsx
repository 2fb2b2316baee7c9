import { ErrorBoundary, Show, Suspense, type JSX } from 'solid-js'
import { Icon } from '../ui/Icon'
import { closeRoom } from '../ui/route'
import { t } from '../ui/settings'
import { PAGES, type ServicePage } from './pages'

/** A service's page where a room would stand; it is fetched when it is opened. */
export function Page(props: { path: readonly string[] }): JSX.Element {
  const page = (): ServicePage | undefined => (Object.hasOwn(PAGES, props.path[0] ?? '') ? PAGES[props.path[0] ?? ''] : undefined)
  return (
    <div class="stage">
      <header class="bar">
        <button type="button" class="round leave-room" aria-label={t().back} onClick={closeRoom}>
          <Icon name="back" />
        </button>
        <h1 class="title">{page()?.title() ?? t().services}</h1>
      </header>
      <Show when={page()} fallback={<p class="empty">{t().pageUnknown}</p>} keyed>
        {(found) => (
          <ErrorBoundary fallback={<p class="empty">{t().pageNotLoaded}</p>}>
            <Suspense fallback={<p class="empty">{t().loading}</p>}>
              <found.view ids={props.path.slice(1)} />
            </Suspense>
          </ErrorBoundary>
        )}
      </Show>
    </div>
  )
}
