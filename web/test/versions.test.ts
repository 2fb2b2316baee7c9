import { beforeEach, expect, test, vi } from 'vitest'
import { cacheOf, find, settle } from '../src/worker/versions'

/** Caches by name, in the order in which they were made; files by address. */
const all = new Map<string, Map<string, Response>>()
const cache = (files: Map<string, Response>) => ({
  keys: async () => [...files.keys()].map((url) => new Request(url)),
  match: async (request: Request) => files.get(request.url)?.clone(),
  put: async (request: Request, reply: Response) => void files.set(request.url, reply),
})

beforeEach(() => {
  all.clear()
  vi.stubGlobal('caches', {
    keys: async () => [...all.keys()],
    open: async (name: string) => cache(all.get(name) ?? all.set(name, new Map()).get(name)!),
    delete: async (name: string) => all.delete(name),
  })
})

const at = (path: string) => `https://a.example/app/${path}`
const keep = (version: string, ...paths: string[]) => all.set(version, new Map(paths.map((path) => [at(path), new Response(`${path} of ${version}`)])))
const text = async (path: string) => (await find(cacheOf('3'), new Request(at(path))))?.text()

test('a page that was open when the app was renewed still gets its parts', async () => {
  for (const number of ['1', '2', '3']) keep(cacheOf(number), `assets/viewer-${number}.js`, 'assets/same.js')
  keep('bongsu-media', 'assets/viewer-9.js')
  await settle(cacheOf('3'), () => false)
  expect([...all.keys()]).toEqual([cacheOf('2'), cacheOf('3'), 'bongsu-media'])
  expect(await text('assets/viewer-2.js')).toBe('assets/viewer-2.js of bongsu-app-2')
  expect(await text('assets/same.js')).toBe('assets/same.js of bongsu-app-3')
  expect([await text('assets/viewer-1.js'), await text('assets/viewer-9.js')]).toEqual([undefined, undefined])
})

test('what is large and was used is not fetched again', async () => {
  keep(cacheOf('2'), 'assets/keeper.wasm', 'assets/viewer-2.js')
  keep(cacheOf('3'))
  await settle(cacheOf('3'), (path) => path.endsWith('.wasm'))
  expect([...all.get(cacheOf('3'))!.keys()]).toEqual([at('assets/keeper.wasm')])
})
