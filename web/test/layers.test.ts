import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../src')
/** Each layer, and what it may import. */
const MAY: Record<string, readonly string[]> = {
  net: ['net'],
  data: ['net', 'data'],
  ui: ['net', 'data', 'ui'],
  tabs: ['net', 'data', 'ui', 'tabs'],
}

const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx?$/.test(name) && name.includes('/'))
const layerOf = (path: string): string => path.split('/')[0] ?? ''

test.each(files.filter((name) => layerOf(name) in MAY))('%s imports one way', (name) => {
  const text = readFileSync(join(ROOT, name), 'utf8')
  const imported = [...text.matchAll(/from '(\.[^']+)'/g)].map((match) => join(dirname(name), match[1]!))
  for (const path of imported) expect(MAY[layerOf(name)], `${name} imports ${path}`).toContain(layerOf(path))
})

test.each(files.filter((name) => name.startsWith('net/') || name.startsWith('data/')))('%s knows no view', (name) => {
  expect(readFileSync(join(ROOT, name), 'utf8')).not.toMatch(/from 'solid-js/)
})
