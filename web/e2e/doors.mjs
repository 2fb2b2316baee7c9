// Two tabs of one browser: who comes in at one of them is in at both, and who goes leaves nothing behind.
// usage: node doors.mjs BASE_URL CHROMIUM
import { launch, Person } from './browser.mjs'

const [base, executable] = process.argv.slice(2)
const tell = (step, saw) => console.log(JSON.stringify({ step, saw }))
const browser = await launch(executable)
const nari = await Person.at(browser, base)
const other = await nari.context.newPage()
nari.watch(other)
await other.goto(`${base}/app/`)
await other.locator('[name=user]').waitFor()

// --- in ---
await nari.signUp('nari-doors', 'correct horse battery')
await other.locator('nav.tabs').waitFor()
const me = (await nari.session()).user
tell('in', { user: me, other: await other.locator('[name=user]').count() })

// --- what somebody has here ---
const { room_id: room } = await nari.call('POST', '/createRoom', { name: '혼잣말' })
await other.goto(`${base}/app/room/${encodeURIComponent(room)}`)
await other.locator('.composer textarea').fill('쓰다 만 글')
await other.waitForFunction(
  () =>
    new Promise((resolve) => {
      indexedDB.open('bongsu').onsuccess = ({ target: { result: database } }) => {
        database.transaction('facts').objectStore('facts').getAllKeys().onsuccess = (event) => {
          database.close()
          resolve(event.target.result.some((key) => key.startsWith('draft ')))
        }
      }
    }),
)
await other.evaluate(async () => (await caches.open('bongsu-media')).put('/app/kept/photo', new Response('photo')))

// --- out, at the tab that follows ---
await other.goto(`${base}/app/more`)
await other.getByRole('button', { name: '로그아웃' }).click()
await other.getByRole('dialog').getByRole('button', { name: '로그아웃' }).click()
for (const page of [nari.page, other]) await page.locator('.gate').waitFor()
const left = await nari.page.evaluate(async () => {
  const all = async (name, store) => {
    const database = await new Promise((resolve) => (indexedDB.open(name).onsuccess = (event) => resolve(event.target.result)))
    if (!database.objectStoreNames.contains(store)) return []
    const asked = database.transaction(store).objectStore(store).getAllKeys()
    const keys = await new Promise((resolve) => (asked.onsuccess = () => resolve(asked.result)))
    database.close()
    return keys
  }
  const photos = (await caches.has('bongsu-media')) ? (await (await caches.open('bongsu-media')).keys()).length : 0
  return { facts: await all('bongsu', 'facts'), drafts: await all('bongsu-left', 'drafts'), photos, texts: localStorage.length }
})
tell('out', left)

// --- a browser that keeps nothing ---
const shut = await browser.newContext({ locale: 'ko-KR' })
await shut.addInitScript(() => {
  IDBFactory.prototype.open = () => {
    throw new DOMException('', 'SecurityError')
  }
})
const page = await shut.newPage()
await page.goto(`${base}/app/`)
await page.getByText('저장 공간을 열어 주지 않습니다').waitFor()
tell('shut', { title: await page.title() })
tell('wrongs', nari.wrongs)
await browser.close()
process.exit(0)
