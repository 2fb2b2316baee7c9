import type { Client } from '../../data/client'
import { show } from '../../data/passkeys'
import { deviceName } from '../../ui/phrases'
import { explainPasskey } from './explain'

/** Signs in with whichever passkey the person chooses; what went wrong, or nothing. */
export async function signIn(client: Client): Promise<string> {
  try {
    await client.doors.begin(await show(client.matrix, deviceName()))
    return ''
  } catch (error) {
    return explainPasskey(error)
  }
}
