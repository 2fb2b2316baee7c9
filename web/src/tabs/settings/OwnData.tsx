import { createSignal, onCleanup, Show, type JSX } from 'solid-js'
import { localpart } from '../../data/rooms'
import { gather, isWholeZip } from '../../data/ownData'
import { Refused } from '../../net/errors'
import { useClient } from '../../ui/client'
import { explain } from '../../ui/errors'
import { bytes, t } from '../../ui/settings'
import { Group } from './parts'
import { w } from './words'

/** All that the server keeps of oneself, in one file. */
export function OwnData(): JSX.Element {
  const client = useClient()
  const [told, setTold] = createSignal('')
  const [running, setRunning] = createSignal<AbortController>()
  onCleanup(() => running()?.abort())

  async function fetchAll(stop: AbortController): Promise<string> {
    const reply = await client.matrix.ownData(stop.signal)
    const file = await gather(reply, (count) => setTold(w().dataRuns(bytes(count))))
    if (!(await isWholeZip(file))) return w().dataCut
    keep(file, `bongsu-${localpart(client.me)}.zip`)
    return w().dataDone(bytes(file.size))
  }

  async function start(): Promise<void> {
    const stop = new AbortController()
    setRunning(stop)
    setTold(w().dataRuns(bytes(0)))
    const end = await fetchAll(stop).catch((error: unknown) => (stop.signal.aborted ? '' : error instanceof Refused ? explain(error) : w().dataCut))
    setTold(end)
    setRunning(undefined)
  }

  return (
    <Group title={w().dataTitle} hint={w().dataLead}>
      <p class="hint">{w().dataEncrypted}</p>
      <p class="choices">
        <Show
          when={running()}
          fallback={
            <button type="button" class="strong" onClick={() => void start()}>
              {w().dataStart}
            </button>
          }
        >
          {(stop) => (
            <button type="button" class="plain" onClick={() => stop().abort()}>
              {t().cancel}
            </button>
          )}
        </Show>
      </p>
      <p role="status">{told()}</p>
    </Group>
  )
}

function keep(file: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(file)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
