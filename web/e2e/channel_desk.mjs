// A customer writes to a channel; two agents see it on two screens, and one voice answers. Prints a JSON line for each step.
// usage: node channel_desk.mjs BASE_URL CHROMIUM [FOLDER_FOR_PICTURES]
import { text } from 'node:stream/consumers'
import { launch, Person } from './browser.mjs'
import { photo } from './photo.mjs'

const [base, executable, pictures] = process.argv.slice(2)
const tell = (step, saw) => console.log(JSON.stringify({ step, saw }))
const browser = await launch(executable)
const faults = []

/** axe looks, and who wants pictures gets one. */
async function look(person, name) {
  faults.push(...(await person.faults()).map((fault) => `${name}: ${fault}`))
  await show(person, name)
}
const show = async (person, name) => pictures && (await person.page.screenshot({ path: `${pictures}/${name}.png` }))
const button = (place, name) => place.getByRole('button', { name, exact: true })

const owner = await Person.at(browser, base, { width: 1440 })
const agent = await Person.at(browser, base)
const customer = await Person.at(browser, base)
await owner.signUp('desk-owner', 'correct horse battery')
await agent.signUp('desk-agent', 'staple battery horse')
await customer.signUp('desk-customer', 'battery horse staple')
const { channel_id: channel } = await owner.call('POST', '/_bongsu/v1/channels', { name: '솔바람 서점' })
const path = `/_bongsu/v1/channels/${channel}`
await owner.call('PUT', `${path}/staff/${encodeURIComponent('@desk-agent:test.example')}`, { role: 'agent' })
await owner.call('POST', `${path}/keys`, { name: '안내 봇', scopes: ['desk:bot'] })
const { room_id: room } = await customer.call('POST', `${path}/conversation`, {})
await customer.page.goto(`${base}/app/room/${encodeURIComponent(room)}`)
const desk = `${base}/app/service/manage/${channel}/desk`

// --- both see who waits, and nobody loads anything anew ---
await owner.page.goto(desk)
await agent.page.goto(desk)
await owner.page.getByText('기다리는 고객이 없습니다').waitFor()
await agent.page.getByText('기다리는 고객이 없습니다').waitFor()
await show(owner, 'empty')
await customer.write('별자리 책 있나요?')
const waiting = (person) => person.page.locator('.cdesk-row', { hasText: 'desk-customer' })
await waiting(owner).filter({ hasText: '별자리 책' }).waitFor()
await waiting(agent).filter({ hasText: '별자리 책' }).waitFor()
await look(agent, 'waiting-phone')
tell('waiting', { owner: await waiting(owner).innerText(), agent: await waiting(agent).innerText() })

// --- one takes it, and the other sees who has it ---
await agent.page.keyboard.press('n')
await agent.page.locator('.cdesk-message', { hasText: '별자리 책' }).waitFor()
await agent.page.keyboard.press('t')
await agent.page.locator('.cdesk-talk-head .tag.own').waitFor()
await owner.page.getByRole('button', { name: '전체' }).click()
await waiting(owner).filter({ hasText: 'desk-agent 담당' }).waitFor()
let calls = []
while (calls.length === 0) calls = Object.keys((await owner.call('GET', '/sync')).rooms?.invite ?? {})
await owner.call('POST', `/join/${encodeURIComponent(calls[0])}`, {})
await owner.page.goto(`${base}/app/room/${encodeURIComponent(calls[0])}`)
await button(owner.page, '상담 데스크에서 답하기').click()
await owner.page.getByText('desk-agent님이 맡았습니다').waitFor()
tell('taken', { answers: await owner.page.locator('.cdesk-answer textarea').isEditable(), fetch: await button(owner.page, '내가 가져오기').count() })
await show(owner, 'of-a-colleague')

// --- a kept answer is made, and put in by "/" ---
await button(agent.page, '자주 쓰는 답').click()
await button(agent.page, '새 답 만들기').click()
const form = agent.page.locator('dialog .form')
await form.locator('[name=name]').fill('재고 있음')
await form.locator('[name=body]').fill('네, 한 권 남아 있습니다.')
await show(agent, 'reply-form')
await button(form, '저장').click()
await agent.page.locator('.cdesk-reply', { hasText: '재고 있음' }).waitFor()
await look(agent, 'replies')
await button(agent.page.locator('dialog[open]'), '닫기').click()
const area = agent.page.locator('.cdesk-answer textarea')
await area.fill('/재고')
await agent.page.locator('#cdesk-picks [role=option]').waitFor()
await look(agent, 'picks')
await area.press('Enter')
await area.press('Enter')
await customer.sees('한 권 남아 있습니다')
await agent.page.locator('.cdesk-message[data-by=agent]', { hasText: '한 권 남아' }).waitFor()

// --- a photo goes the same way ---
await agent.page.locator('.cdesk-answer input[type=file]').setInputFiles({ name: '책장.png', mimeType: 'image/png', buffer: photo() })
await customer.page.locator('.photo img').waitFor()
await agent.page.locator('.cdesk-photo img').waitFor()

// --- a note is for agents alone ---
await area.press('Escape')
await agent.page.keyboard.press('m')
await agent.page.locator('.cdesk-answer textarea').fill('단골 손님')
await look(agent, 'noting')
await agent.page.keyboard.press('Enter')
await agent.page.locator('.cdesk-note', { hasText: '단골 손님' }).waitFor()
await owner.page.locator('.cdesk-note', { hasText: '단골 손님' }).waitFor()

// --- without a network nothing is shown as said, and it is said once ---
await agent.page.locator('.cdesk-answer textarea').press('Escape')
await agent.page.keyboard.press('r')
await agent.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
await agent.context.setOffline(true)
await area.fill('따로 빼 두겠습니다')
await area.press('Enter')
await agent.page.locator('.cdesk-unsent', { hasText: '보내는 중' }).waitFor()
await agent.page.reload()
await agent.page.locator('.cdesk-unsent', { hasText: '따로 빼 두겠습니다' }).waitFor()
await agent.page.locator('.cdesk-talk .fresh.stale').waitFor()
await show(agent, 'burning')
const burning = { unsent: await agent.page.locator('.cdesk-unsent').innerText(), said: await customer.texts() }
await agent.context.setOffline(false)
await customer.sees('따로 빼 두겠습니다')
await agent.page.locator('.cdesk-unsent').waitFor({ state: 'detached' })
await agent.page.locator('.cdesk-message[data-by=agent]', { hasText: '따로 빼 두겠습니다' }).waitFor()
tell('burned', burning)

// --- it is handed over, and ended with the keyboard ---
await button(agent.page, '넘기기').click()
await agent.page.getByRole('dialog').getByRole('button', { name: 'desk-owner' }).click()
await owner.page.locator('.cdesk-talk-head .tag.own').waitFor()
await button(owner.page, '봇에게 맡기기').click()
await button(owner.page, '봇에게서 넘겨받기').click()
await owner.page.locator('.cdesk-talk-head .tag.own').waitFor()
await owner.page.locator('.cdesk-answer textarea').fill('또 오세요')
await owner.page.keyboard.press('Enter')
await customer.sees('또 오세요')
await owner.page.locator('.cdesk-message[data-by=agent]', { hasText: '또 오세요' }).waitFor()
await look(owner, 'talk')
await show(agent, 'talk-phone')
await button(owner.page, '고객 정보').click()
const info = owner.page.getByRole('dialog')
await button(info, '내부용').click()
const [download] = await Promise.all([owner.page.waitForEvent('download'), button(info, 'CSV').click()])
const transcript = await text(await download.createReadStream())
await look(owner, 'customer')
await button(info, '닫기').click()
await owner.page.locator('.cdesk-answer textarea').press('Escape')
await owner.page.keyboard.press('e')
await button(owner.page.getByRole('dialog'), '끝내기').click()
await button(owner.page, '다시 열기').waitFor()
await agent.page.locator('.cdesk-talk-head .tag', { hasText: '종료됨' }).waitFor()
tell('answered', { texts: await customer.texts(), transcript })

// --- closed hours, and what is said then ---
await button(owner.page.locator('.cdesk-top > .views'), '상담 시간').click()
const today = new Date(Date.now() + 9 * 3_600_000).getUTCDay() // of Korea, from Sunday
const days = ['일요일', '월요일', '화요일', '수요일', '목요일', '금요일', '토요일']
const other = days[(today + 3) % 7]
await owner.page.getByText('정한 시간에만 상담합니다').click()
if (!(await owner.page.getByLabel(`${other} 시작`).count())) await button(owner.page, `시간 더하기: ${other}`).click()
for (const name of days.filter((day) => day !== other)) if (await owner.page.getByLabel(`${name} 시작`).count()) await button(owner.page, `시간 빼기: ${name}`).click()
await look(owner, 'hours')
await button(owner.page.locator('section', { hasText: '한 주의' }), '저장').click()
await owner.page.locator('[name=away]').fill('지금은 문을 닫았습니다')
await button(owner.page.locator('section', { hasText: '자동으로' }), '저장').click()
await owner.page.locator('.cdesk-head .tag', { hasText: '지금은 상담 시간이 아닙니다' }).waitFor()
await button(owner.page.locator('section', { hasText: '자동으로' }), '저장').and(owner.page.locator(':disabled')).waitFor()
while ((await owner.call('GET', `${path}/desk`)).away_text === '') await owner.page.waitForTimeout(100)
await customer.write('내일도 여나요?')
await customer.sees('지금은 문을 닫았습니다')
await customer.write('여보세요?')
await button(owner.page.locator('.cdesk-top > .views'), '통계').click()
await owner.page.locator('.cdesk-plot').first().waitFor()
await look(owner, 'figures')
const { hours } = await owner.call('GET', path)
tell('closed', { hours, texts: await customer.texts(), counted: await owner.page.locator('#cdesk-first ~ p').last().innerText() })

await owner.page.keyboard.press('?')
await owner.page.getByRole('dialog').getByText('단축키 쓰기').waitFor()
await show(owner, 'shortcuts')
tell('faults', faults)
tell('wrongs', [...owner.wrongs, ...agent.wrongs, ...customer.wrongs])
await Promise.all([owner, agent, customer].map(({ context }) => context.close()))
await browser.close()
