// Files are looked at before they are sent, with words; photos are taken by a camera of the computer.
// usage: node sending.mjs BASE_URL CHROMIUM. Prints a JSON line for each step: what was seen.
import { launch, Person } from './browser.mjs'

const [base, executable] = process.argv.slice(2)
const tell = (step, saw) => console.log(JSON.stringify({ step, saw }))
const PASSWORD = 'nobody guesses this'

async function photo(page, name, colour) {
  const bytes = await page.evaluate(async (colour) => {
    const canvas = new OffscreenCanvas(320, 200)
    const pen = canvas.getContext('2d')
    pen.fillStyle = colour
    pen.fillRect(0, 0, 320, 200)
    return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer())]
  }, colour)
  return { name, mimeType: 'image/png', buffer: Buffer.from(bytes) }
}

/** Runs in a page, before anything else does: how many of its transactions are not over. */
function countTransactions() {
  globalThis.transactions = 0
  const { transaction } = IDBDatabase.prototype
  const over = () => globalThis.transactions--
  IDBDatabase.prototype.transaction = function (...args) {
    const begun = transaction.apply(this, args)
    globalThis.transactions++
    for (const end of ['complete', 'abort']) begun.addEventListener(end, over)
    return begun
  }
}

/**
 * Stops a page between its transactions. In the midst of one it would hold the disk before the other tab for ever: a
 * debugger does that, a browser does not, for it lets a page go on that others wait for.
 */
async function putToSleep(page) {
  const debug = await page.context().newCDPSession(page)
  await debug.send('Debugger.enable')
  for (;;) {
    const paused = new Promise((resolve) => debug.once('Debugger.paused', resolve))
    await debug.send('Debugger.pause')
    const { callFrames } = await paused
    const { result } = await debug.send('Debugger.evaluateOnCallFrame', { callFrameId: callFrames[0].callFrameId, expression: 'globalThis.transactions' })
    if (result.value === 0) return debug
    await debug.send('Debugger.resume')
  }
}

const browser = await launch(executable)
const hana = await Person.at(browser, base)
const iris = await Person.at(browser, base, { width: 1440 })
await hana.signUp('hana-sending', PASSWORD)
await iris.signUp('iris-sending', PASSWORD)
const { user_id: other } = await iris.call('GET', '/account/whoami')
const { room_id: room } = await hana.call('POST', '/createRoom', { preset: 'trusted_private_chat', invite: [other], is_direct: true })
await iris.call('POST', `/join/${encodeURIComponent(room)}`, {})
for (const person of [hana, iris]) {
  await person.page.goto(`${base}/app/room/${encodeURIComponent(room)}`)
  await person.page.locator('.composer').waitFor()
}
const faults = []
const said = async () => {
  const { chunk } = await iris.call('GET', `/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=100`)
  return chunk.filter(({ type }) => type === 'm.room.message').map(({ content }) => content).reverse()
}

// --- three are chosen, one is left out, one more is chosen, and words go along ---
const window = hana.page.locator('dialog', { has: hana.page.locator('.attachments') })
const [one, two, three] = [await photo(hana.page, '하나.png', '#c04020'), await photo(hana.page, '둘.png', '#2060c0'), await photo(hana.page, '셋.png', '#208040')]
const text = { name: '점검표.txt', mimeType: 'text/plain', buffer: Buffer.from('밤근무 점검표') }
await hana.page.locator('.composer .attach input').first().setInputFiles([one, two, text])
await window.locator('img').nth(1).waitFor()
faults.push(...(await hana.faults()))
const focused = await hana.page.evaluate(() => document.activeElement.getAttribute('aria-label'))
const chosen = await window.locator('li img, li strong').evaluateAll((all) => all.map((each) => each.alt ?? each.textContent))
await window.getByRole('button', { name: '“하나.png” 빼기' }).click()
await window.locator('.more input').setInputFiles(three)
await window.locator('img').nth(1).waitFor()
await hana.page.evaluate(async () => {
  const blob = await new OffscreenCanvas(40, 30).getContext('2d').canvas.convertToBlob({ type: 'image/png' })
  const holding = (name) => {
    const data = new DataTransfer()
    data.items.add(new File([blob], name, { type: 'image/png' }))
    return data
  }
  const area = document.querySelector('.attachments textarea')
  area.dispatchEvent(new ClipboardEvent('paste', { clipboardData: holding('붙인 것.png'), bubbles: true, cancelable: true }))
  area.dispatchEvent(new DragEvent('drop', { dataTransfer: holding('놓은 것.png'), bubbles: true, cancelable: true }))
})
for (const name of ['붙인 것.png', '놓은 것.png']) await window.getByRole('button', { name: `“${name}” 빼기` }).click()
await hana.page.keyboard.type('오늘 밤도')
await hana.page.keyboard.press('Shift+Enter')
await hana.page.keyboard.type('이상 없음')
await hana.page.keyboard.press('Enter')
await window.waitFor({ state: 'detached' })
await iris.sees('이상 없음')
await iris.page.locator('.photo img').nth(1).waitFor()
const under = await iris.page.locator('.bubble', { hasText: '이상 없음' }).evaluate((bubble) => {
  const [picture, words] = [bubble.querySelector('.photo'), bubble.querySelector('.words')].map((part) => part.getBoundingClientRect())
  return words.top >= picture.bottom
})
const sent = await said()
tell('sent', { focused, chosen, under, told: sent.map(({ msgtype, body, filename }) => [msgtype, body, filename]), called: sent.at(-1)['m.mentions'] })
await iris.page.goto(`${base}/app/chats`)
await iris.page.locator('.entry', { hasText: '이상 없음' }).waitFor()
tell('preview', await iris.page.locator('.entry .line').first().innerText())

// --- closed, or all left out: nothing is sent ---
await hana.page.locator('.composer .attach input').first().setInputFiles([one])
await window.locator('img').waitFor()
await hana.page.keyboard.press('Escape')
await window.waitFor({ state: 'detached' })
await hana.page.locator('.composer .attach input').first().setInputFiles([one])
await window.getByRole('button', { name: '“하나.png” 빼기' }).click()
await window.waitFor({ state: 'detached' })

// --- a camera: another one, a photo, a better one ---
await hana.page.evaluate(() => {
  const { mediaDevices } = navigator
  const open = mediaDevices.getUserMedia.bind(mediaDevices)
  globalThis.opened = []
  mediaDevices.getUserMedia = async (wanted) => {
    if (globalThis.refusal) throw new DOMException('', globalThis.refusal)
    const stream = await open(wanted)
    globalThis.opened.push(stream.getVideoTracks()[0])
    return stream
  }
})
const camera = hana.page.getByRole('dialog', { name: '사진 찍기' })
const lights = () => hana.page.evaluate(() => globalThis.opened.map((track) => track.readyState))
const sees = () => hana.page.waitForFunction(() => document.querySelector('.camera-window video')?.videoWidth > 0)
await hana.page.getByRole('button', { name: '사진 찍기' }).click()
await sees()
faults.push(...(await hana.faults()))
await camera.getByRole('button', { name: '다른 카메라' }).click()
await hana.page.waitForFunction(() => globalThis.opened.length === 2)
await sees()
const [first, second] = await hana.page.evaluate(() => globalThis.opened.map((track) => track.getSettings().deviceId))
const switched = await lights()
await camera.getByRole('button', { name: '찍기', exact: true }).click()
await camera.locator('img').waitFor()
faults.push(...(await hana.faults()))
const taken = await lights()
await camera.getByRole('button', { name: '다시 찍기' }).click()
await sees()
await camera.getByRole('button', { name: '찍기', exact: true }).click()
await camera.getByRole('button', { name: '이 사진 쓰기' }).click()
await window.locator('img').waitFor()
await hana.sendChosen('봉수대에서')
await iris.page.goto(`${base}/app/room/${encodeURIComponent(room)}`)
await iris.sees('봉수대에서')
const { msgtype, filename, info } = (await said()).at(-1)
tell('camera', { isOther: first !== second, switched, taken, msgtype, isNamed: /^사진 .*\.jpg$/.test(filename), mimetype: info.mimetype, isSized: info.w > 0 && info.h > 0 })

// --- the words under a photo are changed, and taken away ---
const rewrite = async (words, change) => {
  await hana.page.locator('.message', { hasText: words }).last().getByRole('button', { name: '메시지 메뉴' }).press('Enter') // a photo that comes just now would push it away from the mouse
  await hana.page.getByRole('dialog').getByRole('button', { name: '함께 보낸 말 수정' }).click()
  await hana.page.waitForFunction((words) => document.querySelector('.composer textarea').value === words, words)
  await hana.write(change)
}
await rewrite('봉수대에서', '남산 봉수대에서')
await iris.sees('남산 봉수대에서')
const renamed = await iris.page.locator('.bubble', { hasText: '남산 봉수대에서' }).locator('.photo img').count()
faults.push(...(await iris.faults()))
await rewrite('남산 봉수대에서', '')
await iris.page.locator('.bubble .words', { hasText: '남산 봉수대에서' }).waitFor({ state: 'detached' })
await iris.page.locator('.photo img').nth(2).waitFor()
const [changed, bare] = (await said()).slice(-2)
const kept = (content) => content.url === changed.url && content.info.w === info.w && content.msgtype === 'm.image'
tell('rewritten', { renamed, body: changed.body, fresh: changed['m.new_content'].body, isNameLeft: bare['m.new_content'].body === filename, kept: [changed, changed['m.new_content'], bare['m.new_content']].map(kept) })

// --- a camera that may not be used, and one that may after all; closed, it is off ---
await hana.page.evaluate(() => (globalThis.refusal = 'NotAllowedError'))
await hana.page.getByRole('button', { name: '사진 찍기' }).click()
await camera.getByText('카메라를 허용해 주세요').waitFor()
faults.push(...(await hana.faults()))
await hana.page.evaluate(() => (globalThis.refusal = undefined))
await camera.getByRole('button', { name: '다시 하기' }).click()
await sees()
await hana.page.keyboard.press('Escape')
await camera.waitFor({ state: 'detached' })
await hana.page.waitForFunction(() => globalThis.opened.every((track) => track.readyState === 'ended')).catch(() => {}) // one that was on its way ends when it comes
tell('off', await lights())
tell('count', (await said()).length)
// --- the tab that leads is put to sleep, as phones do: the one that is looked at goes on, and nothing is said twice ---
await hana.page.context().addInitScript(countTransactions)
await hana.page.goto(`${base}/app/room/${encodeURIComponent(room)}`)
await hana.page.locator('.composer').waitFor()
const sleeper = await hana.page.context().newPage()
const leads = (page) => page.evaluate(async () => {
  const { held } = await navigator.locks.query()
  const name = `mine ${Math.random()}`
  const own = await navigator.locks.request(name, async () => (await navigator.locks.query()).held.find((lock) => lock.name === name).clientId)
  return held.find((lock) => lock.name === 'bongsu')?.clientId === own
})
await sleeper.goto(`${base}/app/room/${encodeURIComponent(room)}`)
await sleeper.locator('.composer').waitFor()
const [asleep, awake] = (await leads(hana.page)) ? [hana.page, sleeper] : [sleeper, hana.page]
const wrongs = [...hana.wrongs] // before; what a page that was stopped in its midst breaks off ends with it
const debug = await putToSleep(asleep)
await awake.bringToFront()
await hana.write('자는 탭 옆에서', awake)
await iris.sees('자는 탭 옆에서')
await iris.write('깨어 있소')
await hana.sees('깨어 있소', awake)
const reloaded = asleep.waitForEvent('load')
await debug.send('Debugger.resume')
await debug.detach()
await reloaded
await hana.sees('깨어 있소', asleep)
const times = (await said()).filter(({ body }) => body === '자는 탭 옆에서').length
tell('asleep', { times, leads: [await leads(awake), await leads(asleep)] })
tell('faults', faults)
tell('wrongs', [...wrongs, ...iris.wrongs])
await browser.close()
process.exit(0)
