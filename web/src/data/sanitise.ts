import { linkOf } from './links'
import { unforced } from './straight'

/** Tags that may be in a message. Everything else is left out: these with what is in them, others without. */
const ALLOWED = new Set(
  'A B I U S DEL EM STRONG CODE PRE BLOCKQUOTE P BR UL OL LI H1 H2 H3 H4 H5 H6 SPAN SUB SUP HR TABLE THEAD TBODY TR TH TD DETAILS SUMMARY'.split(' '),
)
const GONE = new Set('SCRIPT STYLE IFRAME OBJECT EMBED TEMPLATE NOSCRIPT SVG MATH HEAD TITLE MX-REPLY FORM SELECT TEXTAREA BUTTON INPUT VIDEO AUDIO'.split(' '))
const MENTIONS = 'matrix.to' // links that stand for a person or a room, not for a page
const DEPTH_MAX = 40
const NODES_MAX = 4_000

/**
 * The HTML of a message as nodes that can be shown: parsed where nothing runs or loads, then built anew from an
 * allow-list. No attribute is taken over but the address of a link and the start of a list. me: whose mention stands out.
 */
export function sanitise(html: string, me = ''): DocumentFragment {
  const parsed = new DOMParser().parseFromString(html, 'text/html')
  const clean = document.createDocumentFragment()
  const left = { nodes: NODES_MAX, me }
  for (const child of parsed.body.childNodes) copy(child, clean, 0, left)
  return clean
}

function copy(from: Node, into: Node, depth: number, left: { nodes: number; me: string }): void {
  if (left.nodes-- <= 0) return
  if (from.nodeType === Node.TEXT_NODE) {
    into.appendChild(document.createTextNode(unforced(from.nodeValue ?? '')))
    return
  }
  if (!(from instanceof Element) && from.nodeType !== Node.ELEMENT_NODE) return
  const element = from as Element
  const tag = element.tagName.toUpperCase()
  if (GONE.has(tag) || depth > DEPTH_MAX) return
  const target = ALLOWED.has(tag) && element.namespaceURI === 'http://www.w3.org/1999/xhtml' ? into.appendChild(made(element, tag, left.me)) : into
  for (const child of element.childNodes) copy(child, target, depth + 1, left)
  if (target instanceof HTMLAnchorElement && target !== into) tellHost(target)
}

/** A link whose text does not name where it leads says so after it. */
function tellHost(link: HTMLAnchorElement): void {
  if (link.textContent?.includes(link.host)) return
  const told = document.createElement('span')
  told.className = 'leads'
  told.textContent = ` (${link.host})`
  link.after(told)
}

function made(element: Element, tag: string, me: string): HTMLElement {
  if (tag === 'A') return anchor(element, me)
  const copied = document.createElement(tag)
  const start = element.getAttribute('start')
  if (tag === 'OL' && start && /^\d{1,6}$/.test(start)) copied.setAttribute('start', start)
  return copied
}

function mention(user: string, me: string): HTMLElement {
  const name = document.createElement('strong')
  name.className = user !== '' && user === me ? 'mention mention-me' : 'mention'
  return name
}

/** Whom a link of matrix.to stands for. */
function named(href: string): string {
  try {
    return decodeURIComponent(/#\/([^?]*)/.exec(href)?.[1] ?? '')
  } catch {
    return ''
  }
}

/** A link that leads nowhere becomes text. What is dangerous about one is written on it, for whoever opens it. */
function anchor(element: Element, me: string): HTMLElement {
  const link = linkOf(element.getAttribute('href') ?? '', element.textContent ?? '')
  if (!link) return document.createElement('span')
  if (link.host === MENTIONS) return mention(named(link.href), me)
  const copied = document.createElement('a')
  copied.href = link.href
  copied.rel = 'noreferrer noopener'
  copied.target = '_blank'
  copied.title = link.host
  if (link.danger) copied.dataset['danger'] = link.danger
  return copied
}
