// Photos, films and recordings between two people; an upload that is cut off; a session that the server ends.
// usage: node media.mjs BASE_URL CHROMIUM
import { launch, Person } from './browser.mjs'

const [base, executable] = process.argv.slice(2)
const tell = (step, saw) => console.log(JSON.stringify({ step, saw }))
const PASSWORD = 'correct horse battery'
const MB = 2 ** 20

/** A photo of one colour that is darker on one side. */
async function photo(page, colour) {
  const bytes = await page.evaluate(async (colour) => {
    const canvas = new OffscreenCanvas(800, 600)
    const pen = canvas.getContext('2d')
    pen.fillStyle = colour
    pen.fillRect(0, 0, 800, 600)
    pen.fillStyle = '#102028'
    pen.fillRect(0, 0, 300, 600)
    return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/jpeg' })).arrayBuffer())]
  }, colour)
  return Buffer.from(bytes)
}

/** A tone of some seconds as a WAV file, long enough to be played in parts. */
function tone(bytes) {
  const head = Buffer.alloc(44)
  head.write('RIFF', 0)
  head.writeUInt32LE(36 + bytes, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(2, 22)
  head.writeUInt32LE(48_000, 24)
  head.writeUInt32LE(192_000, 28)
  head.writeUInt16LE(4, 32)
  head.writeUInt16LE(16, 34)
  head.write('data', 36)
  head.writeUInt32LE(bytes, 40)
  const samples = new Int16Array(bytes / 2).map((_, at) => 3_000 * Math.sin(at / 40))
  return Buffer.concat([head, Buffer.from(samples.buffer)])
}

const pick = (person, ...files) => person.attach(files)

async function signIn(person, name, isNew = false) {
  if (isNew) return person.signUp(name, PASSWORD)
  await person.page.locator('[name=user]').fill(name)
  await person.page.locator('[name=password]').fill(PASSWORD)
  await person.page.locator('form .strong').click()
  await person.page.locator('nav.tabs').waitFor()
}

/** The messages of the room, oldest first, as the server has them. */
async function said(person, room) {
  const { chunk } = await person.call('GET', `/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=100`)
  return chunk.filter(({ type }) => type === 'm.room.message').map(({ content }) => content).reverse()
}

const browser = await launch(executable)
const alice = await Person.at(browser, base)
const bob = await Person.at(browser, base, { dark: true, width: 1440 })
await alice.signUp('alice-media', PASSWORD)
await bob.signUp('bob-media', PASSWORD)
await alice.page.getByRole('button', { name: '새 대화' }).click()
await alice.page.getByRole('dialog').getByRole('searchbox').fill('@bob-media:test.example')
await alice.page.locator('dialog .entry').first().click()
await alice.page.getByRole('button', { name: '대화 시작' }).click()
await alice.page.locator('.composer').waitFor()
await bob.page.getByRole('button', { name: '참여하기' }).click()
await bob.page.locator('.composer').waitFor()
const room = alice.room()

// --- several photos at once; one after the other over the whole screen ---
const [one, two] = [await photo(alice.page, '#c04020'), await photo(alice.page, '#2060c0')]
await pick(alice, { name: '봉수대.jpg', mimeType: 'image/jpeg', buffer: one }, { name: '산.jpg', mimeType: 'image/jpeg', buffer: two })
await bob.page.locator('.photo img').nth(1).waitFor()
await bob.page.locator('.photo').nth(1).click()
const viewer = bob.page.locator('dialog.viewer')
await viewer.locator('.view img').waitFor()
const title = () => viewer.locator('.bar .name').innerText()
const second = await title()
const large = await viewer.locator('.view img').evaluate(async (image) => {
  for (const key of ['+', '+']) document.dispatchEvent(new KeyboardEvent('keydown', { key }))
  return Number(/scale\(([\d.]+)\)/.exec(image.style.transform)[1])
})
const faults = await bob.faults()
await bob.page.keyboard.press('0')
await bob.page.keyboard.press('ArrowLeft')
const first = await title()
await viewer.locator('.view').evaluate((view) => {
  const at = (x) => ({ pointerId: 1, clientX: x, clientY: 300, bubbles: true, isPrimary: true })
  view.setPointerCapture = () => {}
  view.dispatchEvent(new PointerEvent('pointerdown', at(900)))
  view.dispatchEvent(new PointerEvent('pointermove', at(300)))
  view.dispatchEvent(new PointerEvent('pointerup', at(300)))
})
const swiped = await title()
await bob.page.keyboard.press('Escape')
await viewer.waitFor({ state: 'detached' })
const [{ info }] = await said(bob, room)
tell('viewer', { second, large, first, swiped, faults, told: { w: info.w, h: info.h, blurhash: info['xyz.amorgan.blurhash']?.length } })

// --- dropped and pasted; words that are dropped are no files; one on its way is taken back ---
await alice.page.evaluate(async () => {
  const blob = await new OffscreenCanvas(40, 30).getContext('2d').canvas.convertToBlob({ type: 'image/png' })
  const holding = (add) => {
    const data = new DataTransfer()
    add(data)
    return data
  }
  const file = (name) => holding((data) => data.items.add(new File([blob], name, { type: 'image/png' })))
  const drop = (dataTransfer) => document.querySelector('.stage').dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }))
  drop(holding((data) => data.setData('text/plain', '글')))
  drop(file('놓은 것.png'))
})
await alice.sendChosen()
await alice.page.evaluate(async () => {
  const blob = await new OffscreenCanvas(40, 30).getContext('2d').canvas.convertToBlob({ type: 'image/png' })
  const data = new DataTransfer()
  data.items.add(new File([blob], '붙인 것.png', { type: 'image/png' }))
  document.querySelector('.composer textarea').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
})
await alice.sendChosen()
await bob.page.locator('.photo img').nth(3).waitFor()
await alice.page.evaluate(() => {
  const { send } = XMLHttpRequest.prototype
  XMLHttpRequest.prototype.send = function () {} // it never goes anywhere
  globalThis.mend = () => (XMLHttpRequest.prototype.send = send)
})
await pick(alice, { name: '잘못 고른 것.png', mimeType: 'image/png', buffer: one })
await alice.page.getByRole('button', { name: '취소' }).click()
await alice.page.locator('.progress').waitFor({ state: 'detached' })
await alice.page.evaluate(() => globalThis.mend())
await alice.write('그만두었소')
await bob.sees('그만두었소')
tell('gathered', (await said(bob, room)).slice(2).map(({ body }) => body))

// --- an upload that is cut off, and the page is loaded again ---
const starts = []
alice.page.on('request', (request) => request.method() === 'PUT' && request.url().includes('/_bongsu/v1/uploads/') && starts.push(Number(/\/(\d+)\?/.exec(request.url())[1]) / MB))
await alice.page.evaluate(() => {
  const { open, send } = XMLHttpRequest.prototype
  XMLHttpRequest.prototype.open = function (...values) {
    this.isCut = /uploads\/.*\/(?!0\?)\d+\?/.test(values[1])
    open.apply(this, values)
  }
  XMLHttpRequest.prototype.send = function (body) {
    if (this.isCut) setTimeout(() => this.onerror())
    else send.call(this, body)
  }
})
const film = Buffer.alloc(5 * MB, 'fire on the hill ')
await pick(alice, { name: '큰 것.bin', mimeType: 'application/octet-stream', buffer: film })
await alice.page.waitForFunction(() => Number(document.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow')) >= 40)
await alice.page.reload()
await bob.page.locator('.card', { hasText: '큰 것.bin' }).waitFor()
const { url } = (await said(bob, room)).at(-1)
const came = await bob.page.evaluate(
  async ([path, token]) => {
    const bytes = new Uint8Array(await (await fetch(path, { headers: { authorization: `Bearer ${token}` } })).arrayBuffer())
    return { size: bytes.length, end: new TextDecoder().decode(bytes.slice(-17)) }
  },
  [`/_matrix/client/v1/media/download/${url.slice(6)}`, (await bob.session()).token],
)
tell('resumed', { starts, came: came.size === film.length && came.end === film.subarray(-17).toString() })

// --- a recording is played in parts, from wherever one likes ---
await pick(alice, { name: '가락.wav', mimeType: 'audio/wav', buffer: tone(3 * MB) })
await bob.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
const tune = bob.page.getByRole('group', { name: '가락.wav' })
await tune.waitFor()
await tune.getByRole('button', { name: '재생' }).click()
await bob.page.waitForFunction(() => document.querySelector('.recording audio')?.currentTime > 0.2)
const source = await tune.locator('audio').evaluate((audio) => new URL(audio.src).pathname.split('/').slice(0, 3).join('/'))
await tune.getByRole('slider').fill('12000')
await bob.page.waitForFunction(() => document.querySelector('.recording audio').currentTime > 12)
await tune.getByRole('button', { name: '속도 1×' }).click()
const speed = await tune.locator('audio').evaluate((audio) => audio.playbackRate)
await tune.getByRole('button', { name: '멈춤' }).click()
tell('played', { source, speed })

// --- something spoken ---
await alice.page.getByRole('button', { name: '음성 메시지 녹음' }).click()
await alice.page.locator('.recorder [role=timer]', { hasText: '0:01' }).waitFor()
const recording = await alice.faults()
await alice.page.getByRole('button', { name: '음성 메시지 보내기' }).click()
await alice.page.locator('.composer textarea').waitFor()
const voice = bob.page.getByRole('group', { name: '음성 메시지' })
await voice.locator('.bars').waitFor()
await voice.getByRole('button', { name: '재생' }).click()
await bob.page.waitForFunction(() => [...document.querySelectorAll('.recording audio')].at(-1)?.played.length > 0) // it may be very short
const spoken = (await said(bob, room)).at(-1)
tell('voice', {
  faults: [...recording, ...(await bob.faults())],
  msgtype: spoken.msgtype,
  isVoice: 'org.matrix.msc3245.voice' in spoken,
  parts: spoken['org.matrix.msc1767.audio'].waveform.length,
  hasSound: Math.max(...spoken['org.matrix.msc1767.audio'].waveform) === 1024,
})

// --- the drawer of somebody whose device has seen little ---
const { token: hers } = await alice.session()
const talk = (at) => {
  const body = JSON.stringify({ msgtype: 'm.text', body: at ? `말 ${at}` : '보라 https://example.org/봉수' })
  const address = `${base}/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/talk${at}`
  return fetch(address, { method: 'PUT', headers: { authorization: `Bearer ${hers}` }, body })
}
await Promise.all(Array.from({ length: 31 }, (_, at) => talk(at)))
const anew = await Person.at(browser, base, { width: 768 })
await signIn(anew, 'bob-media')
await anew.page.getByRole('link', { name: '서비스' }).click()
await anew.page.getByRole('link', { name: '서랍' }).click()
const drawer = anew.page.locator('.drawer')
await drawer.locator('.cell img').nth(3).waitFor()
const photos = await drawer.locator('.cell img').count()
const drawerFaults = await anew.faults()
await drawer.getByRole('button', { name: '파일' }).click()
await drawer.locator('.card', { hasText: '큰 것.bin' }).waitFor()
const files = await drawer.locator('.entry').count()
await drawer.getByRole('searchbox').fill('가락')
await drawer.locator('.card', { hasText: '큰 것.bin' }).waitFor({ state: 'detached' })
await drawer.getByRole('group', { name: '가락.wav' }).waitFor()
const found = await drawer.locator('.entry').count()
await drawer.getByRole('searchbox').fill('')
await drawer.getByRole('button', { name: '링크' }).click()
await drawer.getByRole('link', { name: 'example.org' }).waitFor()
tell('drawer', { photos, files, found, faults: [...drawerFaults, ...(await anew.faults())] })
await anew.context.close()

// --- the server ends a session: what was tried and what was not waits for its author, and comes once ---
await alice.page.evaluate(() => {
  const real = globalThis.fetch
  globalThis.fetch = async (address, init) => {
    if (String(address).includes('/sync')) throw new TypeError('cut off')
    const reply = await real(address, init)
    if (String(address).includes('/send/')) throw new TypeError('the answer was lost')
    return reply
  }
})
await alice.write('닿았는지 모르는 말')
await bob.sees('닿았는지 모르는 말')
await alice.write('아직 가지 못한 말')
await alice.page.locator('.bubble', { hasText: '아직 가지 못한 말' }).waitFor()
const { token } = await alice.session()
await fetch(`${base}/_matrix/client/v3/logout`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
await alice.page.reload()
const note = await alice.page.locator('.gate [role=status]').innerText()
const gate = await alice.faults()
await signIn(alice, 'carol-media', true)
const others = await alice.page.getByText('닿았는지').count()
await alice.page.goto(`${base}/app/more`)
await alice.page.getByRole('button', { name: '로그아웃' }).last().click()
await alice.page.getByRole('dialog').getByRole('button', { name: '로그아웃' }).click()
await alice.page.locator('.gate [role=status]').waitFor()
await signIn(alice, 'alice-media')
await bob.sees('아직 가지 못한 말')
await alice.page.getByRole('link', { name: 'bob-media' }).click()
await alice.sees('아직 가지 못한 말')
await alice.page.locator('.meta .icon').first().waitFor({ state: 'detached' })
const last = (await said(bob, room)).map(({ body }) => body)
tell('expelled', { note, others, faults: gate, last: last.slice(-2), shown: (await alice.texts()).slice(-2) })

// --- whoever signs out is told what would be lost ---
await alice.page.evaluate(() => {
  const real = globalThis.fetch
  globalThis.fetch = (address, init) => (/\/(send|sync)/.test(String(address)) ? Promise.reject(new TypeError('cut off')) : real(address, init))
})
await alice.write('부치지 못한 말')
await alice.page.locator('.meta .icon').waitFor()
await alice.page.getByRole('button', { name: '뒤로' }).click()
await alice.page.getByRole('link', { name: '더보기' }).click()
await alice.page.getByRole('button', { name: '로그아웃' }).last().click()
const asked = await alice.page.getByRole('dialog').locator('p').first().innerText()
await alice.page.getByRole('dialog').getByRole('button', { name: '로그아웃' }).click()
await alice.page.locator('.gate').waitFor()
tell('signed_out', { asked, left: await alice.page.locator('.gate [role=status]').count() })

tell('wrongs', [...alice.wrongs, ...bob.wrongs])
await browser.close()
process.exit(0)
