import { For, type JSX } from 'solid-js'
import { Icon } from '../ui/Icon'
import { openPage, pathOf, route } from '../ui/route'
import { t } from '../ui/settings'
import { PAGES } from './pages'

/** Everything beside conversations, by name. */
export function Services(): JSX.Element {
  const shown = Object.entries(PAGES).filter(([, page]) => !page.isHidden)
  const open = (event: MouseEvent, name: string) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    openPage(name)
  }
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
                <a href={pathOf({ tab: 'services', page: [name] })} aria-current={route().page?.[0] === name ? 'page' : undefined} onClick={(event) => open(event, name)}>
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
