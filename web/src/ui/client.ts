import { createContext, useContext } from 'solid-js'
import type { Client } from '../data/client'

export const ClientContext = createContext<Client>()

export function useClient(): Client {
  const client = useContext(ClientContext)
  if (!client) throw new Error('no client around this')
  return client
}
