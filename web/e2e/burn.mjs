// Somebody writes, and sends photos, from a site that is struck in mid-conversation; a friend reads at another one.
// usage: node burn.mjs BASE_URL OTHER_BASE_URL CHROMIUM; a line {"ask": "strike"} waits for a line on standard input.
// Prints what the other site then has, and what the writer was told.
import { createInterface } from 'node:readline'
import { launch, Person } from './browser.mjs'

const WORDS = 30
const PAUSE_MS = 250
const PHOTOS = ['하나.jpg', '둘.jpg', '셋.jpg']
const PATIENCE_MS = 60_000

const [here, elsewhere, executable] = process.argv.slice(2)
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** A photo of some hundred kilobytes, drawn at random. */
async function photo(page) {
  const bytes = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(1200, 900)
    const pen = canvas.getContext('2d')
    for (let dot = 0; dot < 4000; dot++) {
      pen.fillStyle = `hsl(${Math.random() * 360} 80% 50%)`
      pen.fillRect(Math.random() * 1200, Math.random() * 900, 30, 30)
    }
    const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.95 })
    return [...new Uint8Array(await blob.arrayBuffer())]
  })
  return Buffer.from(bytes)
}

/** What the friend's site has of the room, oldest first: texts, and names of photos. */
function history(page) {
  return page.evaluate(async () => {
    const database = await new Promise((resolve) => (indexedDB.open('bongsu').onsuccess = (event) => resolve(event.target.result)))
    const done = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)))
    const { token } = await done(database.transaction('facts').objectStore('facts').get('session'))
    const [room] = await done(database.transaction('rooms').objectStore('rooms').getAll())
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room.id)}/messages?dir=b&limit=100`
    const { chunk } = await (await fetch(path, { headers: { authorization: `Bearer ${token}` } })).json()
    return chunk.filter(({ type }) => type === 'm.room.message').map(({ content }) => content.body).reverse()
  })
}

const browser = await launch(executable)
const writer = await Person.at(browser, here)
const friend = await Person.at(browser, elsewhere)
const number = Date.now() % 1_000_000
await writer.signUp(`writer${number}`, 'correct horse battery')
await friend.signUp(`friend${number}`, 'staple battery horse')
await friend.page.getByRole('link', { name: '친구' }).click()
const friendId = await friend.page.locator('.entry .line').first().innerText()
await friend.page.getByRole('link', { name: '채팅' }).click()
await writer.page.getByRole('button', { name: '새 대화' }).click()
await writer.page.getByRole('dialog').getByRole('searchbox').fill(friendId)
await writer.page.locator('dialog .entry').first().click()
await writer.page.getByRole('button', { name: '대화 시작' }).click()
await writer.page.locator('.composer').waitFor()
await friend.page.getByRole('button', { name: '참여하기' }).click()
await friend.page.locator('.composer').waitFor()

const buffer = await photo(writer.page)
const files = PHOTOS.map((name) => ({ name, mimeType: 'image/jpeg', buffer }))
let struck
for (let at = 0; at < WORDS; at++) {
  await writer.write(`말 ${at}`)
  if (at === 8) await writer.attach(files)
  if (at === 9) {
    console.log(JSON.stringify({ ask: 'strike' }))
    struck = answers.next()
  }
  await writer.page.waitForTimeout(PAUSE_MS)
}
await struck
await friend.page.locator('.bubble', { hasText: new RegExp(`^말 ${WORDS - 1}$`) }).waitFor({ timeout: PATIENCE_MS })
await writer.page.locator('.banner', { hasText: '다른 센터' }).waitFor({ timeout: PATIENCE_MS })
await writer.page.locator('.message.mine').last().locator('time').waitFor({ timeout: PATIENCE_MS })
const wrongs = [...writer.wrongs, ...friend.wrongs]
console.log(JSON.stringify({ told: await history(friend.page), shown: (await writer.texts()).slice(-3), wrongs }))
await browser.close()
process.exit(0)
