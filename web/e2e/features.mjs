// Two people call each other by name, talk in a thread, pin, vote, search, jump in time and change roles.
// Prints a JSON line for each step: what was seen. usage: node features.mjs BASE_URL CHROMIUM
import { launch, Person } from './browser.mjs'

const [base, executable] = process.argv.slice(2)
const tell = (step, saw) => console.log(JSON.stringify({ step, saw }))

const browser = await launch(executable)
const [gil, nari] = await Promise.all([Person.at(browser, base), Person.at(browser, base, { dark: true, width: 1440 })])
await Promise.all([gil.signUp('gil', 'correct horse battery'), nari.signUp('nari', 'staple battery horse')])
const { room_id: id } = await gil.call('POST', '/createRoom', { name: '봉수지기', preset: 'private_chat', invite: ['@nari:test.example'] })
const path = `/rooms/${encodeURIComponent(id)}`
await nari.call('POST', `${path}/join`, {})
const open = (person, name = '봉수지기') => person.page.locator('.pane').getByRole('link', { name }).click()
const menu = async (person, text, action, within = '') => {
  await person.page.locator(`${within} .message`, { hasText: text }).last().getByRole('button', { name: '메시지 메뉴' }).click()
  await person.page.getByRole('dialog').getByRole('button', { name: action }).click()
}
const faults = []
const look = async (person) => faults.push(...(await person.faults()))

// --- somebody is called by name ---
await open(gil)
const area = gil.page.locator('.composer textarea')
await area.pressSequentially('보게 @na')
await gil.page.getByRole('option', { name: 'nari' }).waitFor()
await look(gil)
await gil.page.keyboard.press('Enter')
await area.pressSequentially('불이 올랐네')
await gil.page.keyboard.press('Enter')
await nari.page.locator('.pane .count.at').waitFor()
await open(nari)
await nari.page.locator('.calls-me .mention-me').waitFor()
tell('mention', { text: (await nari.texts())[0], sent: await gil.page.locator('.mention').innerText(), area: await area.inputValue() })
await nari.page.locator('.pane .count.at').waitFor({ state: 'detached' })

// --- a thread ---
const side = nari.page.locator('.thread')
await menu(nari, '불이 올랐네', '스레드로 답하기')
await side.locator('textarea').fill('어느 산인가')
await nari.page.keyboard.press('Enter')
await gil.page.locator('.thread-line', { hasText: '답글 1개' }).waitFor()
const main = await gil.texts()
await gil.page.locator('.thread-line').click()
await gil.page.locator('.thread .bubble', { hasText: '어느 산인가' }).waitFor()
await gil.page.locator('.thread textarea').fill('남산일세')
await gil.page.keyboard.press('Enter')
await side.locator('.bubble', { hasText: '남산일세' }).waitFor()
await gil.page.locator('.thread .mine .few').waitFor({ state: 'detached' }) // she has read it in the thread
await look(nari)
const texts = await side.locator('.bubble .words').allTextContents()
await gil.page.keyboard.press('Escape')
await gil.page.locator('.thread').waitFor({ state: 'detached' })
await side.getByRole('button', { name: '스레드 닫기' }).click()
tell('thread', { main, texts, quoted: await gil.page.locator('.quoted').count(), line: await nari.page.locator('.thread-line strong').innerText() })

// --- a notice ---
await gil.write('내일 산에 오르세')
await gil.sees('내일 산에 오르세')
await menu(gil, '내일 산에 오르세', '공지로 올리기')
const bar = nari.page.locator('.pinned-bar')
await bar.waitFor()
const notice = await bar.locator('.text').innerText()
await gil.page.getByRole('button', { name: /고정된 메시지 1개/ }).click()
await gil.page.getByRole('button', { name: '고정 내리기' }).waitFor()
await look(gil)
await gil.page.getByRole('button', { name: '고정 내리기' }).click()
await bar.waitFor({ state: 'detached' })
tell('pins', { notice })

// --- a poll ---
if (await gil.page.getByRole('dialog').count()) await gil.page.keyboard.press('Escape')
await gil.page.getByRole('button', { name: '투표 만들기' }).click()
const form = gil.page.getByRole('dialog')
await form.getByLabel('질문').fill('언제 오를까')
await form.getByLabel('항목 1').fill('새벽')
await form.getByLabel('항목 2').fill('저녁')
await look(gil)
await form.getByRole('button', { name: '투표 올리기' }).click()
const [hers, his] = [nari, gil].map((person) => person.page.locator('.poll'))
await hers.getByRole('button', { name: '새벽' }).click()
await his.getByText('1명 참여').waitFor()
await hers.getByRole('button', { name: '저녁' }).click()
await his.getByRole('button', { name: '저녁 1표' }).waitFor()
await his.getByRole('button', { name: '투표 마감' }).click()
await gil.page.getByRole('dialog').getByRole('button', { name: '투표 마감' }).click()
await hers.getByText('마감된 투표').waitFor()
tell('poll', { choices: await hers.locator('.choice').allInnerTexts(), open: await hers.locator('.choice:enabled').count() })

// --- far back in a room that this device knows the end of ---
await gil.page.evaluate(async () => {
  const database = await new Promise((resolve) => (indexedDB.open('bongsu').onsuccess = (event) => resolve(event.target.result)))
  const read = database.transaction('facts').objectStore('facts').get('session')
  const { token } = await new Promise((resolve) => (read.onsuccess = () => resolve(read.result)))
  database.close()
  const call = async (method, path, body) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    return (await fetch(`/_matrix/client/v3${path}`, { method, headers, body: JSON.stringify(body) })).json()
  }
  const { room_id: room } = await call('POST', '/createRoom', { name: '옛이야기' })
  const send = (at, body) => call('PUT', `/rooms/${encodeURIComponent(room)}/send/m.room.message/old${at}`, { msgtype: 'm.text', body })
  await send(0, '봉화대에 처음 불을 올린 밤')
  for (let at = 1; at < 120; at += 20) await Promise.all(Array.from({ length: 20 }, (_, more) => send(at + more, `${at + more}째 밤`)))
  await call('POST', `/rooms/${encodeURIComponent(room)}/invite`, { user_id: '@nari:test.example' })
})
await nari.page.getByRole('button', { name: '참여하기' }).click()
await nari.page.locator('.composer').waitFor()
await nari.sees('째 밤')
const isShown = () => nari.page.locator('.bubble', { hasText: '봉화대에 처음' }).count()
const before = await isShown()
await nari.page.getByRole('button', { name: '모든 대화에서 찾기' }).click()
await nari.page.getByRole('searchbox').fill('봉화대')
const hit = nari.page.getByRole('dialog').getByRole('button', { name: /처음 불을 올린 밤/ })
await hit.waitFor()
await look(nari)
const found = await nari.page.getByRole('dialog').getByRole('status').innerText()
await hit.click()
await nari.sees('봉화대에 처음 불을 올린 밤')
await nari.page.getByRole('button', { name: '최근 메시지로' }).click()
await nari.page.locator('.bubble', { hasText: '봉화대에 처음' }).waitFor({ state: 'detached' })
await nari.page.getByRole('button', { name: '대화방 정보' }).click()
await nari.page.getByRole('button', { name: '다른 날짜로 이동', exact: true }).click()
await look(nari)
await nari.page.getByRole('dialog').getByRole('button', { name: '이동' }).click()
await nari.sees('봉화대에 처음 불을 올린 밤')
const rows = new Set()
for (let round = 0; round < 60 && !rows.has('120째 밤'); round++) {
  const shown = await nari.page.evaluate(async () => {
    document.querySelector('.list').scrollBy(0, 600)
    await new Promise((resolve) => setTimeout(resolve, 20))
    return [...document.querySelectorAll('.bubble .words')].map((words) => words.textContent)
  })
  for (const text of shown) rows.add(text)
}
tell('past', { before, found, rows: [...rows].filter((text) => /째 밤|처음/.test(text)).length })

// --- without a network, what this device has seen ---
await nari.context.setOffline(true)
await nari.page.getByRole('button', { name: '모든 대화에서 찾기' }).click()
await nari.page.getByRole('searchbox').fill('산에 오르세')
await nari.page.getByRole('dialog').getByText('이 기기에서 본').waitFor()
const offline = await nari.page.getByRole('dialog').locator('.entry').count()
await nari.page.getByRole('dialog').getByRole('button', { name: '닫기' }).click()
await nari.context.setOffline(false)
tell('offline', { found: offline })

// --- roles, and the way out; a third one stays, so that nobody is left alone ---
const login = { username: 'dol', password: 'paper lantern hill', auth: { type: 'm.login.dummy' } }
const { access_token: token } = await (await fetch(`${base}/_matrix/client/v3/register`, { method: 'POST', body: JSON.stringify(login) })).json()
const join = async () => {
  await gil.call('POST', `${path}/invite`, { user_id: '@dol:test.example' })
  await fetch(`${base}/_matrix/client/v3${path}/join`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: '{}' })
}
await join()
await open(nari)
await gil.page.getByRole('button', { name: '대화방 정보' }).click()
await gil.page.getByRole('button', { name: 'nari 님 관리' }).click()
await gil.page.getByRole('button', { name: '부관리자로 정하기' }).click()
await gil.page.locator('.tag', { hasText: '부관리자' }).waitFor()
await look(gil)
await gil.page.getByRole('button', { name: 'dol 님 관리' }).click()
await gil.page.getByRole('dialog').getByRole('button', { name: '이 방에서 차단하기' }).click()
await gil.page.getByRole('dialog').getByRole('button', { name: '이 방에서 차단하기' }).click()
await gil.page.getByRole('button', { name: '차단 풀기' }).waitFor()
const banned = (await gil.call('GET', `${path}/state/m.room.member/@dol:test.example`)).membership
await gil.page.getByRole('button', { name: '차단 풀기' }).click()
await gil.page.getByRole('button', { name: '차단 풀기' }).waitFor({ state: 'detached' })
await join()
const roles = await gil.page.getByRole('dialog').locator('.tag').allInnerTexts()
await gil.page.keyboard.press('Escape')
await nari.page.getByRole('button', { name: '대화방 정보' }).click()
await nari.page.getByRole('dialog').locator('.tag', { hasText: '부관리자' }).waitFor()
const mayNot = await nari.page.getByRole('button', { name: 'gil 님 관리' }).count()
await nari.page.getByRole('button', { name: '나가기' }).click()
await nari.page.getByRole('dialog').getByRole('button', { name: '나가기' }).click()
await nari.page.locator('.pane').getByRole('link', { name: '봉수지기' }).waitFor({ state: 'detached' })
await gil.write('조용하구먼')
await gil.sees('조용하구먼')
const { joined_rooms: joined } = await nari.call('GET', '/joined_rooms')
let history = {}
for (let round = 0; round < 40 && !history.errcode; round++) {
  if (round > 0) await nari.page.waitForTimeout(100)
  history = await nari.call('GET', `${path}/messages?dir=b`)
}
tell('roles', { roles, mayNot, banned })
tell('left', { told: await gil.page.locator('.event', { hasText: '나갔습니다' }).count(), isIn: joined.includes(id), forgotten: history.errcode ?? null })

tell('faults', faults)
tell('wrongs', [...gil.wrongs, ...nari.wrongs])
await browser.close()
process.exit(0)
