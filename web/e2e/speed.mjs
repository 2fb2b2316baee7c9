// How fast the web client is, in a real browser. Prints one line of JSON. Nothing is judged here.
// usage: node speed.mjs CHROMIUM BASE USER PASSWORD LONG_ROOM SHORT_ROOM MESSAGES SWITCHES [PEER_URL]
import { launch } from './browser.mjs'

const [executable, base, user, password, long, short, messages, switches, peer] = process.argv.slice(2)
const LOADS = 5
const SCROLL_MS = 3_000
const STILL_MAX = 40 // looks at a list that brings nothing older any more

/** Cold: nothing is kept, and no service worker. From the navigation until somebody can type, and what came over the wire. */
async function load(browser, url) {
  const context = await browser.newContext({ locale: 'en-US' })
  const page = await context.newPage()
  await page.goto(url, { waitUntil: 'commit' })
  await page.locator('input:visible').first().waitFor()
  const found = await page.evaluate(() => {
    const files = performance.getEntriesByType('resource').filter(({ name, initiatorType }) => /\.(js|css)(\?|$)/.test(name) || initiatorType === 'script')
    return { ms: performance.now(), bytes: files.reduce((sum, file) => sum + file.encodedBodySize, 0) }
  })
  await context.close()
  return found
}

async function loads(browser, url) {
  const found = []
  for (let number = 0; number < LOADS; number++) found.push(await load(browser, url))
  return { interactive_ms: found.map(({ ms }) => ms), bytes: Math.max(...found.map(({ bytes }) => bytes)) }
}

const link = (room) => `a[href="/app/room/${encodeURIComponent(room)}"]`

async function signIn(browser) {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-US' })).newPage()
  await page.goto(`${base}/app/`)
  await page.locator('[name=user]').fill(user)
  await page.locator('[name=password]').fill(password)
  await page.locator('form .strong').click()
  await page.locator(link(long)).waitFor()
  return page
}

const kept = (page) =>
  page.evaluate(async () => {
    const wait = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)))
    const database = await wait(indexedDB.open('bongsu'))
    const count = await wait(database.transaction('entries').objectStore('entries').count())
    database.close()
    return count
  })

/** Reads back until so many messages are kept on this device, or there are no more. */
async function readBack(page) {
  await page.locator(link(long)).click()
  await page.locator('.stage .bubble').first().waitFor()
  let before = 0
  for (let still = 0; still < STILL_MAX; ) {
    await page.evaluate(() => (document.querySelector('.list').scrollTop = 0))
    await page.waitForTimeout(50)
    const now = await kept(page)
    still = now === before ? still + 1 : 0
    before = now
    if (now >= Number(messages)) break
  }
  return before
}

/** From the press until the room's messages are on the screen, in ms. */
const turnTo = (page, room) =>
  page.evaluate(
    async ([selector]) => {
      const frame = () => new Promise(requestAnimationFrame)
      const before = document.querySelector('.stage .list')
      const began = performance.now()
      document.querySelector(selector).click()
      const isThere = () => {
        const list = document.querySelector('.stage .list')
        return list && list !== before && list.querySelector('.bubble')
      }
      while (!isThere()) await frame()
      await frame()
      return performance.now() - began
    },
    [link(room)],
  )

/** How long each frame takes while the list moves by a third of the screen in every one. */
const scroll = (page) =>
  page.evaluate(async (lasts) => {
    const list = document.querySelector('.stage .list')
    const frames = []
    let before = await new Promise(requestAnimationFrame)
    const end = before + lasts
    for (let step = 0; before < end; step++) {
      list.scrollTop += step % 60 < 30 ? -120 : 120
      const now = await new Promise(requestAnimationFrame)
      frames.push(now - before)
      before = now
    }
    return frames
  }, SCROLL_MS)

async function memory(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.collectGarbage')
  await session.send('Performance.enable')
  const { metrics } = await session.send('Performance.getMetrics')
  await session.detach()
  return metrics.find(({ name }) => name === 'JSHeapUsedSize').value
}

async function turns(page, count) {
  const times = []
  for (let number = 0; number < count; number++) times.push(await turnTo(page, number % 2 ? long : short))
  return times
}

const browser = await launch(executable)
const own = await loads(browser, `${base}/app/`)
const other = peer ? await loads(browser, peer) : null
const page = await signIn(browser)
const cached = await readBack(page)
await turns(page, 10) // everything was shown once
const before = await memory(page)
const times = await turns(page, Number(switches))
const after = await memory(page)
const frames = await scroll(page)
await browser.close()
console.log(JSON.stringify({ own, other, cached, switch_ms: times, frames_ms: frames, heap_before: before, heap_after: after }))
