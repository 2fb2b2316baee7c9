import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'vite'
import solid from 'vite-plugin-solid'

const OUT = '../src/bongsu/web/dist'
const PACKED = /\.(js|css|html|svg|webmanifest|wasm)$/
const LARGE_BYTES = 2 ** 20 // from here on the last percent of packing takes minutes
/** What encrypts: fetched by those who have an encrypted chat, and kept by the service worker from then on. */
const LATER = /(^assets\/keeper-.*\.js|\.wasm)$/

/** Tells the service worker which files are the app, and under which name it keeps them. */
function shell(): Plugin {
  return {
    name: 'shell',
    generateBundle: {
      order: 'post', // once Vite has taken out the scripts that held nothing but style
      handler(_, bundle) {
        const all = Object.keys(bundle).filter((name) => name !== 'sw.js' && !name.endsWith('.html'))
        const files = all.filter((name) => !LATER.test(name))
        const later = all.filter((name) => LATER.test(name))
        const version = createHash('sha256').update(all.toSorted().join()).digest('hex').slice(0, 12)
        const worker = bundle['sw.js']
        if (worker?.type !== 'chunk') return
        worker.code = worker.code.replace('__FILES__', files.join(' ')).replace('__LATER__', later.join(' ')).replace('__VERSION__', version)
      },
    },
  }
}

/** Writes each file a second and a third time, as small as brotli and gzip make it. */
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    closeBundle() {
      for (const entry of readdirSync(OUT, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !PACKED.test(entry.name)) continue
        const path = join(entry.parentPath, entry.name)
        const body = readFileSync(path)
        writeFileSync(`${path}.gz`, gzipSync(body, { level: 9 }))
        const quality = body.length < LARGE_BYTES ? 11 : 9
        writeFileSync(`${path}.br`, brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } }))
      }
    },
  }
}

export default defineConfig({
  base: '/app/',
  plugins: [solid(), shell(), packed()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: {
      checks: { bundlerTimings: false },
      input: { index: 'index.html', sw: 'src/worker/sw.ts' },
      output: { entryFileNames: (chunk) => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js') },
    },
  },
  server: { proxy: { '/_matrix': 'http://127.0.0.1:8008', '/.well-known': 'http://127.0.0.1:8008' } },
})
