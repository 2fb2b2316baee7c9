import type { Operations } from './interface'

/** The names in braces of an operation's path. */
type Names<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never

export type Operation = keyof Operations
export type Params<Of extends Operation> = Record<Names<Of>, string>
export type Answer<Of extends Operation> = Operations[Of] extends { answer: infer Found } ? Found : Blob
export type Body<Of extends Operation> = Operations[Of] extends { body: infer Found } ? Found : undefined
export type Query<Of extends Operation> = Operations[Of] extends { query: infer Name extends string } ? Partial<Record<Name, string>> : Record<string, never>

/** Method and path, with what its names stand for. */
export function requestOf<Of extends Operation>(of: Of, params: Params<Of>, query: Partial<Record<string, string>> = {}): { method: string; path: string } {
  const [method = '', template = ''] = of.split(' ')
  const path = template.replace(/{([a-z_]+)}/g, (_, name: string) => encodeURIComponent((params as Record<string, string>)[name] ?? ''))
  const asked = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return { method, path: asked.length > 0 ? `${path}?${new URLSearchParams(asked)}` : path }
}
