import { For, type JSX } from 'solid-js'
import { Icon } from '../ui/Icon'
import { openPage, pathOf, plainClick, route } from '../ui/route'
import { t } from '../ui/settings'
import { PAGES } from './pages'

/** Everything beside conversations, by name. */
export function Services(): JSX.Element {
  const shown = Object.entries(PAGES).filter(([, page]) => !page.isHidden)
  return (
    <>
      <header class="bar">
        <h1>{t().services}</h1>
      </header>
      <div class="scroll">
        <ul class="services">
          <For each={shown}>
            {([name, page]) => (
              <li>
                <a href={pathOf({ tab: 'services', page: [name] })} aria-current={route().page?.[0] === name ? 'page' : undefined} onClick={plainClick(() => openPage(name))}>
                  <Icon name={page.icon} />
                  {page.title()}
                </a>
              </li>
            )}
          </For>
          <li>
            <a href="/status" target="_blank" rel="noreferrer">
              <Icon name="info" />
              {t().status}
            </a>
          </li>
        </ul>
      </div>
    </>
  )
}
