// A shop's owner manages a channel on a phone, with a follower and the operator. Prints a JSON line for each step: what was seen.
// usage: node staff.mjs BASE_URL CHROMIUM [FOLDER_FOR_PICTURES]; "promote USER" is asked of whoever runs it
import { createServer } from 'node:http'
import { launch, Person } from './browser.mjs'

const [base, executable, pictures] = process.argv.slice(2)
const tell = (step, saw) => console.log(JSON.stringify({ step, saw }))
const browser = await launch(executable)
const faults = []

/** axe takes a while, so it looks at what is built most differently; with pictures at everything. */
const JUDGED = new Set(['make', 'sections', 'compose', 'held', 'template-form', 'webhook', 'invite', 'staff', 'followers', 'ledger', 'close'])
async function look(person, name) {
  if (pictures || JUDGED.has(name)) faults.push(...(await person.faults()).map((fault) => `${name}: ${fault}`))
  if (pictures) await person.page.screenshot({ path: `${pictures}/${name}.png` })
}
/** Somebody without a browser. */
class Program {
  constructor(token) {
    this.token = token
  }

  static async at(base, username) {
    const body = { username, password: 'horse staple battery', auth: { type: 'm.login.dummy' } }
    return new Program((await (await fetch(`${base}/_matrix/client/v3/register`, { method: 'POST', body: JSON.stringify(body) })).json()).access_token)
  }

  async call(method, path, body = {}) {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' }
    return (await fetch(`${base}${path}`, { method, headers, ...(method !== 'GET' && { body: JSON.stringify(body) }) })).json()
  }
}
/** Another page of the app, without loading it anew. */
const open = (path) =>
  page.evaluate((path) => {
    history.pushState(null, '', path)
    dispatchEvent(new PopStateEvent('popstate'))
  }, path)
const button = (place, name) => place.getByRole('button', { name, exact: true })

const owner = await Person.at(browser, base)
const clerk = await Person.at(browser, base, { width: 1440, dark: true })
await owner.signUp('owner-staff', 'correct horse battery')
await clerk.signUp('clerk-staff', 'staple battery horse')
const operator = await Program.at(base, 'operator-staff')
console.log(JSON.stringify({ ask: 'promote @operator-staff:test.example' }))
await new Promise((resolve) => process.stdin.once('data', resolve))
process.stdin.unref()
const { page } = owner
const dialog = page.getByRole('dialog')

// --- a name that looks like an official one is refused, another one is taken ---
const { channel_id: official } = await operator.call('POST', '/_bongsu/v1/channels', { name: '참빛 은행' })
await operator.call('PUT', `/_bongsu/v1/channels/${official}/mark`, { days: 30 })
await open(`${base}/app/service/manage`)
async function make(name) {
  await button(page, '채널 만들기').click()
  await dialog.locator('[name=name]').fill(name)
  await dialog.locator('[name=about]').fill('새벽 세 시에 굽습니다. https://bread.example')
  await look(owner, 'make')
  await button(dialog, '채널 만들기').click()
}
await make('참빛은행')
const refused = page.locator('.card-line.refused')
await refused.waitFor()
const lookalike = await refused.innerText()
await button(refused, '지우기').click()
await make('달무리 빵집')
await page.locator('.manage-head').waitFor()
const channel = page.url().split('/').at(-1)
const at = `/_bongsu/v1/channels/${channel}`
const shop = `${base}/app/service/manage/${channel}`
await look(owner, 'sections')
tell('made', { lookalike, name: await page.locator('.manage-head h2').innerText(), sections: await page.locator('.sections a').allInnerTexts() })

// --- the home, and a post that is written without a network ---
const section = (name) => page.locator('.sections a', { hasText: name }).click()
await section('홈 꾸미기')
await page.locator('.picture-field input').setInputFiles({ name: 'bread.png', mimeType: 'image/png', buffer: Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==', 'base64') })
await button(page, '사진 바꾸기').waitFor()
await look(owner, 'home')
await button(page, '저장').click()
await page.getByText('저장했습니다').first().waitFor()
await page.locator('.to-sections a').click()
await section('소식')
await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
await button(page, '소식 쓰기').click()
await dialog.locator('[name=title]').fill('한가위')
await dialog.locator('[name=body]').fill('사흘 쉽니다')
await look(owner, 'post')
await owner.context.setOffline(true)
await button(dialog, '올리기').click()
const waiting = await page.locator('.card-line', { hasText: '보내는 중' }).innerText()
const before = await page.locator('.cards .block').count()
await page.reload()
await page.locator('.card-line', { hasText: '소식 올리기' }).waitFor()
await owner.context.setOffline(false)
await page.locator('.cards', { hasText: '사흘 쉽니다' }).waitFor()
await page.locator('.card-line').waitFor({ state: 'detached' })
await look(owner, 'posts')
tell('posted', { waiting, before, after: await page.locator('.cards .block').count() })

// --- a broadcast is seen before as it is read after; one is stopped while somebody is held ---
const { text_version } = await clerk.call('GET', '/_bongsu/v1/channels/consents/texts')
for (const person of [clerk, operator]) await person.call('PUT', `${at}/follow`, { text_version, advertising: person === clerk, advertising_at_night: person === clerk })
const broadcasts = `${shop}/broadcasts`
await open(`${broadcasts}/new`)
await page.locator('[name=body]').fill('(광고) 식빵 반값')
await page.locator('.wrong', { hasText: '광고를 골라' }).waitFor()
const isHeldBack = await button(page, '보내기 전 확인').isDisabled()
await page.locator('[name=kind][value=ad]').check()
await button(page, '버튼 넣기').click()
await page.getByLabel('버튼 글').fill('예약')
await page.getByLabel('주소', { exact: true }).fill('https://bread.example/book')
await page.getByText('추가한 2명 가운데 광고 수신에 동의한 1명이 받습니다').waitFor()
await look(owner, 'compose')
await button(page, '보내기 전 확인').click()
const preview = await dialog.locator('.preview-text').innerText()
await look(owner, 'confirm')
await button(dialog, '1명에게 보내기').click()
await page.locator('.card[data-state=done]', { hasText: '식빵 반값' }).click()
await page.locator('[data-count=delivered]').waitFor()
await look(owner, 'broadcast')
const sent = await page.locator('[data-count=sent] dd').innerText()
await clerk.page.goto(`${base}/app/chats`)
await clerk.page.locator('.entry', { hasText: '달무리 빵집' }).click()
await clerk.sees('식빵 반값')
const read = (await clerk.texts()).at(-1)
const always = { enabled: true, time_zone: 'Asia/Seoul', spans: [{ from: '00:00', to: '00:00' }] }
await clerk.call('PUT', '/user/@clerk-staff:test.example/account_data/org.bongsu.quiet_hours', always)
await open(`${broadcasts}/new`)
await page.locator('[name=body]').fill('그만둘 것')
await page.getByText('지금 보내면 2명이 받습니다').waitFor()
await button(page, '보내기 전 확인').click()
await button(dialog, '2명에게 보내기').click()
await page.locator('.card[data-state=running]', { hasText: '그만둘 것' }).click()
await page.locator('[data-count=held] dd', { hasText: '1명' }).waitFor()
const half = await page.getByRole('progressbar').getAttribute('aria-valuenow')
await look(owner, 'held')
await button(page, '그만 보내기').click()
await button(dialog, '그만 보내기').click()
await page.locator('.tag', { hasText: '그만둠' }).waitFor()
const stopped = await page.locator('.figures').innerText()
const csv = page.waitForEvent('download')
await open(broadcasts)
await button(page, 'CSV 내려받기').click()
tell('broadcast', { isHeldBack, preview, read, sent, half, stopped: /보냄\s+1명/.test(stopped), csv: (await csv).suggestedFilename() })

// --- a template becomes one that may be sent, and a new version of it is begun ---
await open(`${shop}/templates/new`)
await page.locator('[name=name]').fill('찾아갈 시간')
await page.locator('[name=reason]').selectOption('reservation')
await page.locator('[name=body]').fill('#{이름}님, #{때}에 찾아가세요')
await page.getByLabel('때의 종류').selectOption('time')
await button(page, '버튼 넣기').click()
await page.getByLabel('버튼 글').fill('길 찾기')
await page.getByLabel('주소', { exact: true }).fill('https://bread.example/way?to=#{이름}')
await look(owner, 'template-form')
const example = await page.locator('.preview-text').innerText()
await button(page, '저장').click()
await button(page, '심사 맡기기').click()
await page.locator('[data-state=submitted]').waitFor()
const template = page.url().split('/').at(-1)
await operator.call('POST', `/_bongsu/v1/channels/templates/${template}/1/approve`)
await page.locator('[data-state=approved]').waitFor()
await look(owner, 'template')
await button(page, '새 판 쓰기').click()
await page.locator('[name=body]').fill('#{이름}님, #{때}까지 찾아가세요')
await button(page, '저장').click()
await page.getByText('지금은 승인된 1판을 보냅니다').waitFor()
const states = (await owner.call('GET', `${at}/templates/${template}`)).templates.map(({ version, state }) => `${version} ${state}`)
await button(page, '심사 맡기기').click()
await button(page, '심사 거두기').click()
await button(page, '심사 맡기기').waitFor()
tell('template', { example, states })

// --- a key, shown once ---
await open(`${shop}/keys`)
await button(page, '키 만들기').click()
await dialog.locator('[name=name]').fill('주문 서버')
await dialog.locator('[value="templates:send"]').check()
await look(owner, 'key-form')
await button(dialog, '키 만들기').click()
const secret = await dialog.locator('.secret code').innerText()
await look(owner, 'secret')
const opens = await page.evaluate(async ([path, key]) => (await fetch(path, { headers: { authorization: `Bearer ${key}` } })).status, [`${at}/templates`, secret])
await button(dialog, '옮겨 두었습니다').click()
await page.locator('.cards .block', { hasText: '주문 서버' }).waitFor()
const isKept = (await page.content()).includes(secret)
await look(owner, 'keys')
await button(page, '없애기: 주문 서버').click()
await button(dialog, '없애기').click()
await page.locator('.cards .gone', { hasText: '없앰' }).waitFor()
const closed = await page.evaluate(async ([path, key]) => (await fetch(path, { headers: { authorization: `Bearer ${key}` } })).status, [`${at}/templates`, secret])
tell('key', { begins: secret.slice(0, 4), opens, isKept, closed })

// --- a webhook that works, and fails ---
const heard = []
const receiver = createServer((request, response) => {
  heard.push(request.headers['webhook-signature'])
  response.statusCode = heard.length > 1 ? 500 : 200
  response.end()
})
await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve))
await open(`${shop}/webhooks`)
await button(page, '웹훅 넣기').click()
await dialog.locator('[name=url]').fill(`http://127.0.0.1:${receiver.address().port}/heard`)
await dialog.locator('[value="follower.added"]').check()
await look(owner, 'webhook-form')
await button(dialog, '웹훅 넣기').click()
const signs = await dialog.locator('.secret code').innerText()
await button(dialog, '옮겨 두었습니다').click()
await button(page, '시험 알림 보내기').click()
await page.locator('[data-condition=well]').waitFor()
await button(page, '시험 알림 보내기').click()
await page.locator('[data-condition=failing]').waitFor()
await look(owner, 'webhook')
const failure = await page.locator('.facts', { hasText: '마지막 실패' }).innerText()
await button(page, '비밀값 바꾸기').click()
await button(dialog, '비밀값 바꾸기').click()
const next = await dialog.locator('.secret code').innerText()
await button(dialog, '옮겨 두었습니다').click()
await button(page, '지우기').click()
await button(dialog, '지우기').click()
await page.locator('.cards .empty').waitFor()
receiver.close()
receiver.closeAllConnections()
tell('webhook', { begins: signs.slice(0, 6), isNew: next !== signs, isSigned: heard[0]?.startsWith('v1,') ?? false, failure })

// --- somebody works for it, as what, and no more ---
await open(`${shop}/staff`)
await button(page, '직원 넣기').click()
await dialog.getByRole('searchbox').fill('@clerk-staff:test.example')
await dialog.locator('.entry', { hasText: 'clerk-staff' }).click()
await look(owner, 'invite')
await button(dialog, '직원 넣기').click()
await page.locator('[data-role=agent]').waitFor()
await page.getByLabel('역할 바꾸기: clerk-staff').selectOption('editor')
await page.locator('[data-role=editor]').waitFor()
await look(owner, 'staff')
await clerk.page.evaluate(() => localStorage.setItem('language', 'en'))
await clerk.page.goto(`${base}/app/service/manage/${channel}/followers`)
await clerk.page.locator('.line-card', { hasText: 'clerk-staff' }).waitFor()
await look(clerk, 'followers')
const sections = await clerk.page.locator('.sections a').allInnerTexts()
await button(clerk.page, 'What they agreed to: clerk-staff').click()
await clerk.page.locator('.good-line').waitFor()
await look(clerk, 'ledger')
const ledger = await clerk.page.locator('.ledger').innerText()
await button(page, '빼기: clerk-staff').click()
await button(dialog, '빼기').click()
await page.locator('[data-role=editor]').waitFor({ state: 'detached' })
tell('staff', { sections, ledger })

// --- the mark, the record, and the end ---
await operator.call('PUT', `${at}/mark`, { days: 30 })
await open(`${shop}/mark`)
await page.locator('.section-main .official').waitFor()
await look(owner, 'mark')
await open(`${shop}/record`)
await page.locator('.good-line').waitFor()
await look(owner, 'record')
const record = await page.locator('.ledger li > span:first-child').allInnerTexts()
await open(`${shop}/close`)
await page.locator('[name=name]').fill('달무리')
const isClosable = !(await button(page, '영원히 닫기').isDisabled())
await page.locator('[name=name]').fill('달무리 빵집')
await look(owner, 'close')
await button(page, '영원히 닫기').click()
await page.getByText('문을 닫은 채널입니다').first().waitFor()
tell('closed', { record: record.length, first: record.at(-1), isClosable, now: (await owner.call('GET', at)).closed_ts > 0 })

tell('faults', faults)
tell('wrongs', [...owner.wrongs, ...clerk.wrongs])
await browser.close()
