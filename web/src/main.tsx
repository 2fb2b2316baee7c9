import { render } from 'solid-js/web'
import { Client } from './data/client'
import { App } from './tabs/App'
import { ClientContext } from './ui/client'
import { dress, t } from './ui/settings'
import './ui/look.css'

dress()

async function start(): Promise<void> {
  const client = await Client.open()
  const root = document.getElementById('app')!
  render(
    () => (
      <ClientContext.Provider value={client}>
        <App />
      </ClientContext.Provider>
    ),
    root,
  )
}

start().catch(() => (document.getElementById('app')!.textContent = t().noDisk)) // as in some private windows
if (import.meta.env.PROD && 'serviceWorker' in navigator) void navigator.serviceWorker.register('/app/sw.js', { scope: '/app/' })
