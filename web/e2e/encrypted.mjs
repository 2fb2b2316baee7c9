// Somebody in real browsers and somebody with matrix-js-sdk talk in an encrypted room. Prints a JSON line for each
// step: what was seen.
// usage: node encrypted.mjs BASE_URL CHROMIUM
import { Attachment, EncryptedAttachment } from '@matrix-org/matrix-sdk-crypto-wasm'
import { Person as Other } from '../../tests/clients/js/person.mjs'
import { laptopWith } from '../../tests/clients/js/recovery.mjs'
import { poll } from '../../tests/clients/js/steps.mjs'
import { launch, Person } from './browser.mjs'
import { photo } from './photo.mjs'

const PASSWORD = 'correct horse battery'
const SAS = 'm.sas.v1'
const [base, executable] = process.argv.slice(2)
const tell = (step, saw) => process.stdout.write(`${JSON.stringify({ step, saw })}\n`)
/** As a press on a link would. */
const go = (person, path) =>
  person.page.evaluate((to) => {
    history.pushState(null, '', to)
    dispatchEvent(new PopStateEvent('popstate'))
  }, path)
const browser = await launch(executable)
const alice = await Person.at(browser, base)
const fetched = []
alice.page.on('request', (request) => /\.wasm|keeper-/.test(request.url()) && fetched.push(request.url()))
const [bob] = await Promise.all([Other.signUp(base, 'bob', { crypto: true }), alice.signUp('alice-keys', PASSWORD)])
const cryptoOf = (person) => person.client.getCrypto()
await cryptoOf(bob).bootstrapCrossSigning({ authUploadDeviceSigningKeys: (upload) => upload(null) })
tell('before', { fetched: fetched.length })

// --- an encrypted chat for two ---
await alice.page.getByRole('button', { name: '새 대화' }).click()
await alice.page.getByRole('dialog').getByRole('searchbox').fill(bob.userId)
await alice.page.locator('dialog .entry').first().click()
await alice.page.getByRole('switch', { name: /종단간 암호화/ }).check()
const creating = await alice.faults()
await alice.page.getByRole('button', { name: '대화 시작' }).click()
await alice.page.locator('.composer').waitFor()
const room = alice.room()
await bob.until('the invite', () => bob.room(room)?.getMyMembership() === 'invite')
await bob.client.joinRoom(room)
await bob.until('the room', () => bob.room(room)?.getMyMembership() === 'join')

const messages = () => bob.room(room).getLiveTimeline().getEvents().filter((event) => event.getType() === 'm.room.message')
const reads = (body) => bob.until(`“${body}” decrypted`, () => messages().find((event) => event.getContent().body === body))
await alice.write('불이 올랐다')
const first = await reads('불이 올랐다')
await bob.say(room, '보았소')
await alice.sees('보았소')
tell('talk', { stored: first.getWireType(), sender: first.getSender().split(':')[0], texts: await alice.texts(), fetched: fetched.length })

// --- photos, both ways ---
const large = photo(1600, 1000)
await alice.attach({ name: '봉수대.png', mimeType: 'image/png', buffer: large })
const { file } = (await reads('봉수대.png')).getContent()
const stored = Buffer.from((await bob.download(file.url)).data, 'base64')
const opened = Attachment.decrypt(new EncryptedAttachment(new Uint8Array(stored), JSON.stringify(file)))
const sealed = Attachment.encrypt(new Uint8Array(photo()))
const { content_uri: url } = await bob.client.uploadContent(new Blob([sealed.encryptedData]), { type: 'application/octet-stream' })
const info = { mimetype: 'image/png', w: 320, h: 200 }
await bob.send(room, 'm.room.message', { msgtype: 'm.image', body: '답.png', file: { ...JSON.parse(sealed.mediaEncryptionInfo), url }, info })
await alice.page.locator('.message:not(.mine) .photo img').waitFor()
await alice.page.waitForFunction(() => document.querySelector('.message:not(.mine) .photo img')?.naturalWidth === 320)
tell('photos', { isSecret: !stored.equals(large), isSame: Buffer.from(opened).equals(large) })

// --- a reload: what was read stays readable, what comes is read ---
await alice.page.reload()
await alice.sees('불이 올랐다')
await bob.say(room, '아직 타오르오')
await alice.sees('아직 타오르오')
await alice.write('여기도 그렇소')
await reads('여기도 그렇소')
const isKept = () => alice.page.evaluate(async () => (await caches.match(performance.getEntriesByType('resource').find(({ name }) => name.endsWith('.wasm')).name)) !== undefined)
await poll('what encrypts, kept', isKept)
tell('reload', { texts: await alice.texts(), faults: await alice.faults() })

// --- keys of the account: made, kept with the server, shown once; in a tab that asks the one that has them ---
const tab = new Person(alice.context, await alice.context.newPage(), base)
await tab.page.goto(alice.page.url())
await tab.sees('여기도 그렇소')
await go(tab, '/app/service/encryption')
await tab.page.getByRole('button', { name: '설정하기' }).click()
await tab.page.getByRole('button', { name: '계속' }).click()
const recoveryKey = (await tab.page.locator('output.recovery-key').innerText()).trim()
const showing = await tab.faults()
await tab.page.getByRole('checkbox').check()
await tab.page.getByRole('button', { name: '마치기' }).click()
await tab.page.getByText('암호화가 준비되었습니다').waitFor()
await poll('the backup', async () => (await alice.call('GET', '/room_keys/version')).count >= 2)
tell('set_up', { faults: [...creating, ...showing, ...(await tab.faults())], groups: recoveryKey.split(/\s+/).length })
await tab.page.close()

/** Both sides look at emoji in a browser and say that they are the same. */
async function agree(one, other) {
  const emoji = (person) => person.page.locator('.verify .emoji li > span').allInnerTexts()
  for (const person of [one, other]) await person.page.locator('.verify .emoji').waitFor()
  const seen = [await emoji(one), await emoji(other)]
  for (const person of [one, other]) await person.page.getByRole('button', { name: '같습니다' }).click()
  return seen
}

// --- two people compare emoji ---
const coming = new Promise((resolve) => bob.client.once('crypto.verificationRequestReceived', resolve))
await alice.page.getByRole('button', { name: '대화방 정보' }).click()
await alice.page.getByRole('dialog').getByRole('button', { name: '종단간 암호화' }).click()
await alice.page.getByText('아직 확인하지 않았습니다').waitFor()
await alice.page.getByRole('button', { name: '확인하기' }).click()
const request = await coming
await request.accept()
await alice.page.locator('.verify .code').waitFor() // his app could scan it
const coded = await alice.faults()
await alice.page.getByRole('button', { name: '이모지로 비교하기' }).click()
const verifier = await poll('the start', () => request.verifier)
const ended = verifier.verify()
const { sas, confirm } = await poll('emoji', () => verifier.getShowSasCallbacks())
await alice.page.locator('.verify .emoji').waitFor()
const pictures = await alice.page.locator('.verify .emoji li > span').allInnerTexts()
const comparing = await alice.faults()
await alice.page.getByRole('button', { name: '같습니다' }).click()
await confirm()
await ended
await alice.page.locator('.verify', { hasText: '확인했습니다' }).getByRole('button').click()
await alice.page.getByText('확인한 사람입니다').waitFor()
await poll('alice verified', async () => (await cryptoOf(bob).getUserVerificationStatus(first.getSender())).isCrossSigningVerified())
tell('verified', { same: pictures.length === 7 && pictures.every((picture, at) => picture === sas.emoji[at][0]), faults: [...coded, ...comparing, ...(await alice.faults())] })

// --- a browser that has nothing but the recovery key ---
async function signIn() {
  const person = await Person.at(browser, base)
  await person.page.locator('[name=user]').fill('alice-keys')
  await person.page.locator('[name=password]').fill(PASSWORD)
  await person.page.locator('form .strong').click()
  await person.page.locator('nav.tabs').waitFor()
  return person
}
const fresh = await signIn()
await go(fresh, `/app/room/${encodeURIComponent(room)}`)
await fresh.sees('아직 열쇠가 없어')
const locked = await fresh.faults()
await fresh.page.getByRole('button', { name: '열쇠 되찾기' }).click()
await fresh.page.getByRole('button', { name: '복구 키 넣기' }).click()
await fresh.page.locator('textarea[name=key]').fill(recoveryKey.replace(/.$/, '1'))
await fresh.page.getByRole('button', { name: '되찾기', exact: true }).click()
const wrong = await fresh.page.locator('dialog .wrong').innerText()
await fresh.page.locator('textarea[name=key]').fill(recoveryKey)
await fresh.page.getByRole('button', { name: '되찾기', exact: true }).click()
await fresh.page.getByText('암호화가 준비되었습니다').waitFor()
await go(fresh, `/app/room/${encodeURIComponent(room)}`)
await fresh.sees('불이 올랐다')
await fresh.page.waitForFunction(() => document.querySelector('.message.mine .photo img')?.naturalWidth > 0)
const width = await fresh.page.locator('.message.mine .photo img').evaluate((image) => image.naturalWidth)
await fresh.write('새 집에서')
await reads('새 집에서')
await go(alice, `/app/room/${encodeURIComponent(room)}`)
await alice.sees('새 집에서')
tell('recovered', { wrong, width, faults: locked, texts: await fresh.texts(), doubts: await fresh.page.locator('.doubt').count() })

// --- the same key in another client ---
tell('laptop', await laptopWith(base, first.getSender(), PASSWORD, recoveryKey))

// --- one that another one verifies: it is sent the secrets ---
const tablet = await signIn()
await go(tablet, `/app/service/encryption`)
await tablet.page.getByRole('button', { name: '다른 기기로 확인하기' }).click()
await fresh.page.close()
await alice.page.getByRole('button', { name: '확인 시작' }).click()
const [hers, its] = await agree(alice, tablet)
await tablet.page.locator('.verify', { hasText: '서로를 확인했습니다' }).getByRole('button').click()
await tablet.page.getByText('암호화가 준비되었습니다').waitFor()
await go(tablet, `/app/room/${encodeURIComponent(room)}`)
await tablet.sees('불이 올랐다')
tell('tablet', { same: hers.length === 7 && hers.join() === its.join(), texts: (await tablet.texts()).slice(0, 2) })

// --- the way out leaves no key ---
tell('wrongs', [...alice.wrongs, ...tab.wrongs, ...fresh.wrongs, ...tablet.wrongs])
await go(tablet, `/app/more`)
await tablet.page.getByRole('button', { name: '로그아웃', exact: true }).click()
await tablet.page.getByRole('dialog').getByRole('button', { name: '로그아웃' }).click()
await tablet.page.locator('.gate').waitFor()
const left = await tablet.page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name))
tell('signed_out', left.filter((name) => name.startsWith('bongsu-keys')))
bob.stop()
await browser.close()
process.exit(0)
