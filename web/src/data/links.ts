export type Danger = 'lookalike' | 'installer'

export interface Link {
  href: string
  /** where it really leads */
  host: string
  danger?: Danger
}

export type Piece = { text: string; link?: Link }

const FOUND = /(?:https?:\/\/|www\.)[^\s<>"'`{}|\\^\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/giu
const INSTALLER = /\.(exe|apk|apks|xapk|msi|msix|dmg|pkg|scr|bat|cmd|com|jar|vbs|ps1|iso|deb|rpm)$/i
const OWN_SCRIPT = /^(?:[a-z0-9-]+|[\p{Script=Hangul}0-9-]+)$/iu

/** An address that may be opened, and what is wrong with it. Null: no web address. `shown`: the text of the link. */
export function linkOf(address: string, shown = address): Link | null {
  const whole = /^www\./i.test(address) ? `https://${address}` : address
  if (!/^https?:\/\//i.test(whole) || !URL.canParse(whole)) return null
  const url = new URL(whole)
  const link: Link = { href: url.href, host: url.host }
  const danger = isLookalike(url, whole, shown) ? 'lookalike' : INSTALLER.test(url.pathname) ? 'installer' : undefined
  if (danger) link.danger = danger
  return link
}

/** Letters of several scripts in one name, a name before an @, or a text that names another host. */
function isLookalike(url: URL, address: string, shown: string): boolean {
  if (url.username || url.password) return true
  const typed = /^https?:\/\/([^/?#]*)/i.exec(address)?.[1] ?? ''
  const labels = typed.replace(/:\d+$/, '').split('.')
  if (url.hostname.includes('xn--') && labels.some((label) => /^xn--/i.test(label) || !OWN_SCRIPT.test(label))) return true
  const named = /^(?:https?:\/\/)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)/i.exec(shown.trim())?.[1]
  return shown !== address && named !== undefined && named.toLowerCase().replace(/^www\./, '') !== url.hostname.replace(/^www\./, '')
}

/** Brackets and full stops after an address belong to the sentence. */
function withoutTail(found: string): string {
  let address = found.replace(/[.,!?;:'"…]+$/u, '')
  const count = (bracket: string) => address.split(bracket).length
  while ((address.endsWith(')') && count(')') > count('(')) || (address.endsWith(']') && count(']') > count('['))) {
    address = address.slice(0, -1)
  }
  return address
}

/** A text cut into plain pieces and links. */
export function pieces(text: string): Piece[] {
  const list: Piece[] = []
  let at = 0
  for (const match of text.matchAll(FOUND)) {
    const address = withoutTail(match[0])
    const link = linkOf(address)
    if (!link) continue
    if (match.index > at) list.push({ text: text.slice(at, match.index) })
    list.push({ text: address, link })
    at = match.index + address.length
  }
  if (at < text.length) list.push({ text: text.slice(at) })
  return list
}
