// Somebody looks after their account. Prints a JSON line for each step: what was seen.
// usage: node account.mjs BASE_URL CHROMIUM.
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { launch, Person } from './browser.mjs'

const [base, executable] = process.argv.slice(2)
const tell = (step, saw) => console.log(JSON.stringify({ step, saw }))

const browser = await launch(executable)
const dora = await Person.at(browser, base)
const PASSWORD = 'nobody guesses this'
await dora.signUp('dora-account', PASSWORD)
await dora.context.grantPermissions(['notifications'], { origin: base })
const open = async (section) => {
  await dora.page.goto(`${base}/app/service/settings/${section}`)
  await dora.page.locator('.settings .group').first().waitFor()
}
const saved = () => dora.page.locator('.toast', { hasText: '저장했습니다' }).waitFor()
const rules = async () => (await dora.call('GET', '/pushrules/')).global
const faults = []

// --- quiet hours ---
await open('quiet')
await dora.page.getByRole('switch', { name: '방해 금지 시간 쓰기' }).check()
await saved()
await dora.page.getByLabel('시작').fill('23:30')
await dora.page.getByLabel('시작').blur()
await dora.page.getByRole('button', { name: '일요일' }).click()
await dora.page.getByRole('switch', { name: '나를 부르는 메시지' }).check()
await dora.page.waitForFunction(() => document.querySelector('.span input')?.value === '23:30')
await saved()
faults.push(...(await dora.faults()))
const quiet = async () => dora.call('GET', `/user/${encodeURIComponent('@dora-account:' + (await server()))}/account_data/org.bongsu.quiet_hours`)
const server = async () => (await dora.call('GET', '/account/whoami')).user_id.split(':').slice(1).join(':')
const settled = async (ask, is) => {
  for (let at = 0; at < 100; at++) {
    const answer = await ask()
    if (is(answer)) return answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return ask()
}
tell('quiet', await settled(quiet, (told) => told.let_through?.mentions))

// --- notifications: push rules ---
await open('notifications')
await dora.page.getByRole('group', { name: '여럿이 있는 방' }).getByRole('button', { name: '나를 부를 때만' }).click()
await saved()
await dora.page.getByLabel('알림 낱말').fill('봉수대')
await dora.page.getByRole('button', { name: '추가' }).click()
await dora.page.getByRole('button', { name: '“봉수대” 지우기' }).waitFor()
faults.push(...(await dora.faults()))
const told = await rules()
tell('rules', {
  message: told.underride.find((rule) => rule.rule_id === '.m.rule.message').actions,
  words: told.content.map((rule) => rule.pattern),
})

// --- Web Push: no push service can be reached from here, and that is said ---
await dora.page.getByRole('switch', { name: '앱을 닫아 두어도 알리기' }).click()
await dora.page.locator('.toast', { hasText: '알림 서비스에 연결하지 못했습니다' }).waitFor()
tell('unreachable', { on: await dora.page.getByRole('switch', { name: '앱을 닫아 두어도 알리기' }).isChecked() })

// --- what a push does, as the browser hands it over ---
const erin = await Person.at(browser, base)
await erin.signUp('erin-account', PASSWORD)
const { user_id: me } = await dora.call('GET', '/account/whoami')
const { room_id: room } = await erin.call('POST', '/createRoom', { preset: 'trusted_private_chat', invite: [me], is_direct: true })
await dora.call('POST', `/join/${encodeURIComponent(room)}`, {})
const { event_id: event } = await erin.call('PUT', `/rooms/${encodeURIComponent(room)}/send/m.room.message/push1`, { msgtype: 'm.text', body: '서버에만 있는 말' })
const cdp = await dora.context.newCDPSession(dora.page)
let registration
cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => (registration = registrations[0] ?? registration))
await cdp.send('ServiceWorker.enable')
await settled(async () => registration, Boolean)
const worker = dora.context.serviceWorkers()[0] ?? (await dora.context.waitForEvent('serviceworker'))
const push = (data) => cdp.send('ServiceWorker.deliverPushMessage', { origin: base, registrationId: registration.registrationId, data: JSON.stringify(data) })
const shown = () => worker.evaluate(async () => (await self.registration.getNotifications()).map(({ title, body, tag, silent, data }) => ({ title, body, tag, silent, data })))
const pushed = (more) => ({ event_id: event, room_id: room, type: 'm.room.message', sender: '@erin', sender_display_name: '에린', room_name: '불끄기', counts: { unread: 3 }, data: { lang: 'ko', shows: 'text' }, ...more })
const other = { room_id: '!other:test.example' }

await push(pushed({ ...other, content: { msgtype: 'm.text', body: '보는 사람에게는 안 뜬다' } }))
await dora.page.goto('about:blank') // now nobody looks
await push(pushed({ content: { msgtype: 'm.text', body: '산불이 났소' }, tweaks: { sound: 'default' } }))
const first = await settled(shown, (all) => all.length > 0)
await push(pushed({})) // the text is asked of the server
const second = await settled(shown, ([one]) => one?.body !== first[0]?.body)
await push(pushed({ ...other, data: { lang: 'en', shows: 'nothing' } }))
const third = (await settled(shown, (all) => all.length > 1)).find((one) => one.tag === other.room_id)
await push('nonsense')
await push({ counts: { unread: 0 } })
tell('push', { first, second, third, room })

// --- a press on it opens the room in the page that is there; what is read goes from the screen ---
await dora.page.goto(`${base}/app/more`)
await dora.page.locator('nav.tabs').waitFor()
await worker.evaluate(async (tag) => {
  const [notification] = await self.registration.getNotifications({ tag })
  self.dispatchEvent(new NotificationEvent('notificationclick', { notification }))
}, room)
await dora.sees('서버에만 있는 말')
tell('pressed', { room: dora.room() === room, left: (await settled(shown, (all) => all.every((one) => one.tag !== room))).map((one) => one.tag) })

// --- telling the operator of a message; ignoring, and telling of a person ---
await dora.page.locator('.message').last().getByRole('button', { name: '메시지 메뉴' }).dispatchEvent('click')
await dora.page.getByRole('button', { name: '신고하기' }).click()
const reporting = dora.page.getByRole('dialog', { name: '신고하기' })
await reporting.getByLabel('무슨 일이 있었나요?').fill('사실이 아니다')
faults.push(...(await dora.faults()))
await reporting.getByRole('button', { name: '신고하기' }).click()
await dora.page.locator('.toast', { hasText: '신고했습니다' }).waitFor()
await open('privacy')
await dora.page.getByLabel('차단할 사람의 아이디').fill('@erin-account')
await dora.page.getByRole('button', { name: '차단하기' }).click()
await dora.page.getByText('모양의 아이디를 넣어 주세요').first().waitFor()
const { user_id: erinId } = await erin.call('GET', '/account/whoami')
await dora.page.getByLabel('차단할 사람의 아이디').fill(erinId)
await dora.page.getByRole('button', { name: '차단하기' }).click()
await dora.page.getByRole('button', { name: '차단 풀기' }).waitFor()
const ignored = Object.keys((await dora.call('GET', `/user/${encodeURIComponent(me)}/account_data/m.ignored_user_list`)).ignored_users)
await dora.page.getByRole('button', { name: '차단 풀기' }).click()
await dora.page.getByText('차단한 사람이 없습니다').waitFor()
await dora.page.getByLabel('신고할 사람의 아이디').fill(erinId)
await dora.page.getByLabel('무슨 일이 있었나요?').fill('거짓 소식')
await dora.page.getByRole('button', { name: '신고하기' }).click()
await dora.page.locator('.toast', { hasText: '신고했습니다' }).waitFor()
faults.push(...(await dora.faults()))
tell('ignored', { ignored, erin: erinId })

// --- one's own data ---
await open('data')
faults.push(...(await dora.faults()))
const [download] = await Promise.all([dora.page.waitForEvent('download'), dora.page.getByRole('button', { name: '내려받기', exact: true }).click()])
const path = join(mkdtempSync(join(tmpdir(), 'bongsu-')), 'own.zip')
await download.saveAs(path)
await dora.page.getByText('내려받았습니다').waitFor()
const file = readFileSync(path)
tell('data', { name: download.suggestedFilename(), zip: file.toString('base64') })

// --- the password, a passkey's way in, the end ---
await open('account')
faults.push(...(await dora.faults()))
const fill = async (values) => {
  for (const [label, value] of values) await dora.page.getByLabel(label, { exact: true }).first().fill(value)
}
await fill([['지금 비밀번호', 'wrong'], ['새 비밀번호', 'a new one, too'], ['새 비밀번호 한 번 더', 'a new one, too']])
await dora.page.getByRole('button', { name: '비밀번호 바꾸기' }).click()
await dora.page.getByText('지금 비밀번호가 맞지 않습니다').waitFor()
await fill([['지금 비밀번호', PASSWORD]])
await dora.page.getByRole('button', { name: '비밀번호 바꾸기' }).click()
await dora.page.locator('.toast', { hasText: '비밀번호를 바꿨습니다' }).waitFor()
tell('faults', faults)

const fay = await Person.at(browser, base)
await fay.page.getByRole('button', { name: '2단계로 로그인' }).click()
await fay.page.locator('[name=user]').fill('dora-account')
await fay.page.locator('[name=password]').fill('a new one, too')
await fay.page.keyboard.press('Enter')
await fay.page.waitForURL(/account\/sso/)
await fay.page.locator('form button').first().click()
await fay.page.locator('nav.tabs').waitFor()
tell('by_browser', { address: new URL(fay.page.url()).search, user: (await fay.call('GET', '/account/whoami')).user_id === me })
await fay.page.goto(`${base}/app/signed-in?state=x&loginToken=somebody-elses`)
await fay.page.locator('nav.tabs').waitFor()

await open('account')
await dora.page.getByRole('button', { name: '계정 없애기…' }).click()
await dora.page.getByLabel('되돌릴 수 없음을 알고 있습니다').check()
await dora.page.locator('form:has([name=password]) [name=password]').last().fill('a new one, too')
await dora.page.getByRole('button', { name: '계정 없애기', exact: true }).click()
await dora.page.locator('.gate').waitFor()
await fay.page.locator('.gate').waitFor()
const keys = () =>
  new Promise((resolve) => {
    indexedDB.open('bongsu').onsuccess = ({ target: { result: database } }) => {
      database.transaction('facts').objectStore('facts').getAllKeys().onsuccess = (event) => resolve(event.target.result)
    }
  })
tell('ended', { dora: await dora.page.evaluate(keys), fay: await fay.page.evaluate(keys) })
tell('wrongs', [...dora.wrongs, ...erin.wrongs, ...fay.wrongs])
await browser.close()
process.exit(0)
