/** Signing in on the server's own pages, where passkeys and second steps are, and coming back from there. */

const PATH = '/app/signed-in'
const KEPT = 'signingIn'

/** What comes back must be an answer to this: nobody is signed in by a link that somebody else made. */
export function leaveToSignIn(): void {
  const state = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
  sessionStorage.setItem(KEPT, state)
  const back = `${location.origin}${PATH}?state=${state}`
  location.assign(`/_matrix/client/v3/login/sso/redirect?redirectUrl=${encodeURIComponent(back)}`)
}

/** The token of somebody who came back, once, and out of the address at once. null: came back, but not from here. */
function arrive(): string | null | undefined {
  if (location.pathname !== PATH) return undefined
  const told = new URLSearchParams(location.search)
  const state = sessionStorage.getItem(KEPT)
  sessionStorage.removeItem(KEPT)
  history.replaceState(null, '', '/app/')
  return state !== null && told.get('state') === state ? told.get('loginToken') : null
}

export const arrived = arrive()
