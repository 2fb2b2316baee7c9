import { createSignal } from 'solid-js'
import { en } from './en'
import { ko, type Texts } from './ko'

export type Language = 'ko' | 'en'
export type Theme = 'system' | 'light' | 'dark'
export type TextSize = 'normal' | 'large' | 'larger'

const CATALOGUES: Record<Language, Texts> = { ko, en }

/** A choice that this browser keeps; without storage it holds until the page closes. */
function choice<T extends string>(name: string, values: readonly T[], fallback: T) {
  const kept = localStorage.getItem(name) as T | null
  const [value, set] = createSignal<T>(kept !== null && values.includes(kept) ? kept : fallback)
  const keep = (next: T) => {
    localStorage.setItem(name, next)
    set(() => next)
  }
  return [value, keep] as const
}

const spoken: Language = navigator.languages.find((tag) => /^(ko|en)\b/.test(tag))?.startsWith('en') ? 'en' : 'ko'

export const [language, setLanguage] = choice<Language>('language', ['ko', 'en'], spoken)
export const [theme, setTheme] = choice<Theme>('theme', ['system', 'light', 'dark'], 'system')
export const [textSize, setTextSize] = choice<TextSize>('textSize', ['normal', 'large', 'larger'], 'normal')

export const t = (): Texts => CATALOGUES[language()]

const darkness = matchMedia('(prefers-color-scheme: dark)')
const [isDarkHere, setDarkHere] = createSignal(darkness.matches)
darkness.addEventListener('change', () => setDarkHere(darkness.matches))

/** Puts the choices on the root element, where the style sheet finds them. */
export function dress(): void {
  const root = document.documentElement
  root.lang = language()
  root.dataset['theme'] = theme() === 'system' ? (isDarkHere() ? 'dark' : 'light') : theme()
  root.dataset['size'] = textSize()
}

/** How much is unread, in the title and on the icon of the installed app. */
export function badge(count: number): void {
  document.title = count > 0 ? `(${count}) ${t().app}` : t().app
  if ('setAppBadge' in navigator) void navigator.setAppBadge(count).catch(() => {})
}

// --- dates and numbers as the language writes them ---

const formats = new Map<string, Intl.DateTimeFormat>()

function format(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language() + JSON.stringify(options)
  const made = formats.get(key) ?? new Intl.DateTimeFormat(language(), options)
  formats.set(key, made)
  return made
}

export const clock = (ts: number): string => format({ hour: 'numeric', minute: '2-digit' }).format(ts)
export const day = (ts: number): string => format({ year: 'numeric', month: 'long', day: 'numeric', weekday: 'long' }).format(ts)
export const month = (ts: number): string => format({ year: 'numeric', month: 'long' }).format(ts)
export const dayAndClock = (ts: number): string => format({ month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit' }).format(ts)

/** From one moment to another: of the same day, the day once. */
export const fromTo = (from: number, to: number): string => format({ month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit' }).formatRange(from, to)

/** Today the time, this year the day, else the date. */
export function shortTime(ts: number, now = Date.now()): string {
  const then = new Date(ts)
  const today = new Date(now)
  if (then.toDateString() === today.toDateString()) return clock(ts)
  if (then.getFullYear() === today.getFullYear()) return format({ month: 'short', day: 'numeric' }).format(ts)
  return format({ year: 'numeric', month: 'numeric', day: 'numeric' }).format(ts)
}

export function bytes(count: number): string {
  const units = ['B', 'KB', 'MB', 'GB']
  const rank = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10))
  return `${new Intl.NumberFormat(language(), { maximumFractionDigits: rank > 1 ? 1 : 0 }).format(count / 1024 ** rank)} ${units[rank]}`
}

export const compareNames = (left: string, right: string): number => left.localeCompare(right, language())
