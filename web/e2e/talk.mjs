// Two people talk while the server is killed and comes back. Prints a JSON line for each step: what was seen.
// usage: node talk.mjs BASE_URL CHROMIUM; a line {"ask": …} waits for a line on standard input.
import { createInterface } from 'node:readline'
import { launch, Person } from './browser.mjs'
import { nasty } from './nasty.mjs'
import { photo } from './photo.mjs'

const [base, executable] = process.argv.slice(2)
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const tell = (step, saw) => console.log(JSON.stringify({ step, saw }))

async function ask(what) {
  console.log(JSON.stringify({ ask: what }))
  await answers.next()
}

const browser = await launch(executable)
const alice = await Person.at(browser, base)
const bob = await Person.at(browser, base, { dark: true, width: 1440 })
await alice.page.locator('[name=user]').fill('nobody')
await alice.page.locator('[name=password]').fill('wrong password')
await alice.page.locator('form .strong').click()
const wrong = await alice.page.locator('.wrong').innerText()
tell('door', { faults: await alice.faults(), title: await alice.page.title(), wrong })

await alice.signUp('alice-web', 'correct horse battery')
await bob.signUp('bob-web', 'staple battery horse')
tell('signed_up', { faults: await alice.faults() })

// --- a chat for two ---
await alice.page.getByRole('button', { name: '새 대화' }).click()
await alice.page.getByRole('dialog').getByRole('searchbox').fill('@bob-web:test.example')
await alice.page.locator('dialog .entry').first().click()
const creating = await alice.faults()
await alice.page.getByRole('button', { name: '대화 시작' }).click()
await alice.page.locator('.composer').waitFor()
await bob.page.getByRole('button', { name: '참여하기' }).click()
await bob.page.locator('.composer').waitFor()
await alice.write('봉수가 올랐다 https://example.org/산')
await bob.sees('봉수가 올랐다')
await bob.write('보았소')
await alice.sees('보았소')
await alice.page.locator('.message.mine .few').first().waitFor({ state: 'detached' })
tell('talk', { alice: await alice.texts(), bob: await bob.texts(), link: await bob.page.locator('.words a').first().getAttribute('href') })

// --- a photo ---
await alice.attach({ name: '봉수대.png', mimeType: 'image/png', buffer: photo() })
const picture = bob.page.locator('.photo img')
await picture.waitFor()
await bob.page.waitForFunction(() => document.querySelector('.photo img')?.naturalWidth > 0)
tell('photo', { source: (await picture.getAttribute('src')).slice(0, 5), label: await picture.getAttribute('alt') })

// --- answers, faces, other words, taking back ---
const menu = async (person, text, action) => {
  await person.page.locator('.message', { hasText: text }).last().getByRole('button', { name: '메시지 메뉴' }).click()
  await person.page.getByRole('dialog').getByRole('button', { name: action }).click()
}
await menu(bob, '봉수가 올랐다', '답장')
await bob.write('어느 산이오?')
await alice.page.locator('.quoted').waitFor()
await menu(alice, '어느 산이오', '공감 👍')
await bob.page.locator('.reactions button').waitFor()
tell('focus', await alice.page.evaluate(() => document.activeElement.getAttribute('aria-label')))
await menu(bob, '보았소', '수정')
await bob.write('잘 보았소')
await alice.sees('잘 보았소')
await bob.write('지울 말')
await alice.sees('지울 말')
await menu(bob, '지울 말', '삭제')
await bob.page.getByRole('dialog').getByRole('button', { name: '삭제' }).click()
await alice.sees('삭제된 메시지입니다')
tell('relations', { texts: await alice.texts(), quoted: await alice.page.locator('.quoted').innerText(), reactions: await bob.page.locator('.reactions').innerText() })
await alice.page.locator('.message').last().getByRole('button', { name: '메시지 메뉴' }).click()
const windows = [...creating, ...(await alice.faults())]
await alice.page.keyboard.press('Escape')
await alice.page.getByRole('button', { name: '대화방 정보' }).click()
await alice.page.getByRole('button', { name: '서랍' }).waitFor()
windows.push(...(await alice.faults()))
await alice.page.getByRole('button', { name: '서랍' }).click()
await alice.page.locator('.cell img').waitFor()
windows.push(...(await alice.faults()))
await alice.page.keyboard.press('Escape')
tell('windows', { faults: windows })
tell('room', { faults: [...(await alice.faults()), ...(await bob.faults())] })

// --- events that nobody should send ---
const hostile = [
  { msgtype: 'm.text', body: '* x', 'm.new_content': 'x', 'm.relates_to': { rel_type: 'm.replace', event_id: '$x' } },
  { msgtype: 'm.text', body: { toString: 0 } },
  { msgtype: { toString: 0 }, url: 'mxc://x/y', body: { toString: 0 }, info: 'x', 'm.relates_to': 'x' },
]
for (const [at, content] of hostile.entries()) await bob.call('PUT', `/rooms/${encodeURIComponent(bob.room())}/send/m.room.message/hostile${at}`, content)
await bob.write('그래도 통하오')
await alice.sees('그래도 통하오')
await alice.page.reload()
await alice.sees('그래도 통하오')
tell('hostile', { last: (await alice.texts()).at(-1), wrongs: alice.wrongs.length })

// --- another tab of the same browser follows ---
const second = await alice.context.newPage()
alice.watch(second)
await second.goto(alice.page.url())
await alice.sees('잘 보았소', second)
await bob.write('두 탭 모두에')
await Promise.all([alice.sees('두 탭 모두에'), alice.sees('두 탭 모두에', second)])
await alice.write('둘째 탭에서', second)
await bob.sees('둘째 탭에서')
tell('tabs', { first: await alice.texts(), second: await alice.texts(second) })

// --- a third one: whoever comes back into view asks the one that leads, and nobody else passes it on ---
const third = await alice.context.newPage()
alice.watch(third)
await third.goto(alice.page.url())
await alice.sees('둘째 탭에서', third)
await third.evaluate(() => {
  globalThis.heard = []
  new BroadcastChannel('bongsu').onmessage = ({ data }) => globalThis.heard.push(JSON.stringify(data))
  dispatchEvent(new Event('visibilitychange'))
})
await alice.write('셋째 탭도 있소')
await alice.sees('셋째 탭도 있소', third)
tell('storm', await third.evaluate(() => globalThis.heard.filter((data) => data.includes('"hurry"')).length))
await third.close()
await second.close()

// --- the centre that the page came from is killed: the other one answers ---
await ask('kill first')
const files = ['하나', '둘'].map((name) => ({ name: `${name}.png`, mimeType: 'image/png', buffer: photo() }))
await alice.attach(files)
await alice.page.locator('.progress, .message.mine .photo').nth(1).waitFor()
await alice.write('다른 산으로')
await bob.sees('다른 산으로')
await bob.write('여기도 다른 산')
await alice.sees('여기도 다른 산')
await alice.page.locator('.banner', { hasText: '다른 센터' }).waitFor()
// both that were under way; the list may have dropped the one from before, which is far up
await bob.page.waitForFunction(() => {
  const photos = [...document.querySelectorAll('.photo')]
  return photos.length >= 2 && photos.every((photo) => photo.querySelector('img'))
})
tell('elsewhere', { photos: await bob.page.locator('.photo img').count(), alice: (await alice.texts()).slice(-2), bob: (await bob.texts()).slice(-2) })

// --- the other one is killed, too; the page is loaded again; both come back ---
await alice.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
await ask('kill second')
await alice.write('불길 속에서 하나')
await alice.write('불길 속에서 둘')
await alice.page.locator('.banner', { hasText: '2개' }).waitFor()
const banner = await alice.page.locator('.banner').innerText()
await alice.page.reload()
await alice.sees('불길 속에서 둘')
tell('burning', { banner, texts: await alice.texts() })
await ask('start')
await bob.sees('불길 속에서 둘')
await alice.page.locator('.banner', { hasText: '끊겨 있습니다' }).waitFor({ state: 'detached' })
await bob.write('다시 통하오')
await alice.sees('다시 통하오')
tell('after_fire', { alice: (await alice.texts()).slice(-3), bob: (await bob.texts()).slice(-3), waiting: await alice.page.locator('.meta .icon').count() })

// --- words are kept: while another message is edited, and while the disk refuses ---
const area = alice.page.locator('.composer textarea')
await alice.write('고칠 말')
await bob.sees('고칠 말')
await area.fill('쓰던 말')
await menu(alice, '고칠 말', '수정')
await area.press('Escape')
const edited = await area.inputValue()
await alice.page.reload()
await alice.sees('고칠 말')
const again = await area.inputValue()
await alice.page.evaluate(() => {
  const { put } = IDBObjectStore.prototype
  IDBObjectStore.prototype.put = function (...values) {
    if (this.name === 'outbox') throw new DOMException('', 'QuotaExceededError')
    return put.apply(this, values)
  }
  globalThis.mend = () => (IDBObjectStore.prototype.put = put)
})
await alice.write('담을 데 없는 말')
const told = await alice.page.locator('.toast').innerText()
const kept = await area.inputValue()
await alice.page.evaluate(() => globalThis.mend())
await area.press('Enter')
await bob.sees('담을 데 없는 말')
tell('words', { edited, again, told, kept })

// --- a long room, of which the sync left out the middle, from its end to its beginning ---
await alice.page.goto(`${base}/app/chats`)
await alice.page.evaluate(async (count) => {
  const database = await new Promise((resolve) => (indexedDB.open('bongsu').onsuccess = (event) => resolve(event.target.result)))
  const read = database.transaction('facts').objectStore('facts').get('session')
  const { token } = await new Promise((resolve) => (read.onsuccess = () => resolve(read.result)))
  database.close()
  const call = async (method, path, body) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    return (await fetch(`/_matrix/client/v3${path}`, { method, headers, body: JSON.stringify(body) })).json()
  }
  const { room_id: room } = await call('POST', '/createRoom', { name: '긴 방' })
  const path = `/rooms/${encodeURIComponent(room)}/send/m.room.message/long`
  for (let at = 0; at < count; at++) await call('PUT', path + at, { msgtype: 'm.text', body: `${at}번째` })
}, 150)
await alice.page.getByRole('link', { name: '긴 방' }).click()
await alice.sees('149번째')
const met = new Map()
for (let round = 0; round < 100 && !(await alice.page.getByText('대화의 첫머리입니다').count()); round++) {
  const shown = await alice.page.evaluate(async () => {
    document.querySelector('.list').scrollBy(0, -500)
    await new Promise((resolve) => setTimeout(resolve, 50))
    return [...document.querySelectorAll('.row')].map((row) => [row.dataset.key, row.querySelector('.words')?.textContent])
  })
  for (const [key, text] of shown) if (text) met.set(key, text)
}
tell('history', { rows: met.size, texts: new Set(met.values()).size })

// --- English, the dark, the other tabs ---
await alice.page.goto(`${base}/app/more`)
await alice.page.getByRole('button', { name: 'English' }).click()
await alice.page.getByRole('button', { name: 'Dark' }).click()
const more = await alice.faults()
await alice.page.getByRole('link', { name: 'Friends' }).click()
await alice.page.getByRole('button', { name: 'bob-web' }).waitFor()
const friends = await alice.faults()
tell('english', { faults: [...more, ...friends], language: await alice.page.locator('html').getAttribute('lang') })

tell('wrongs', [...alice.wrongs, ...bob.wrongs])
tell('sanitised', await nasty(await bob.context.newPage()))

// --- the way out leaves nothing ---
await alice.page.getByRole('link', { name: 'More' }).click()
await alice.page.getByRole('button', { name: 'Sign out' }).click()
await alice.page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click()
await alice.page.locator('.gate').waitFor()
const left = await alice.page.evaluate(async () => {
  const database = await new Promise((resolve) => (indexedDB.open('bongsu').onsuccess = (event) => resolve(event.target.result)))
  const facts = database.objectStoreNames.contains('facts') ? database.transaction('facts').objectStore('facts').count() : null
  const count = facts ? await new Promise((resolve) => (facts.onsuccess = () => resolve(facts.result))) : 0
  return { facts: count, media: await caches.has('bongsu-media'), settings: localStorage.length }
})
tell('signed_out', left)
await browser.close()
process.exit(0)
