// Somebody makes a passkey in the app, signs in with it, names it anew and removes it. Prints a JSON line for each step.
// usage: node passkeys.mjs BASE_URL CHROMIUM. A virtual authenticator stands in for the finger.
import { launch, Person } from './browser.mjs'

const [base, executable] = process.argv.slice(2)
const here = base.replace('127.0.0.1', 'localhost') // passkeys belong to names, not to addresses
const tell = (step, saw) => console.log(JSON.stringify({ step, saw }))
const PASSWORD = 'nobody guesses this'

const browser = await launch(executable)
const gil = await Person.at(browser, here)
const cdp = await gil.context.newCDPSession(gil.page)
await cdp.send('WebAuthn.enable')
const options = { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true }
const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options })
const verified = (isUserVerified) => cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified })
const kept = async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length

await gil.signUp('gil-passkey', PASSWORD)
const { user_id: me } = await gil.call('GET', '/account/whoami')
const faults = []
const group = gil.page.locator('section.group', { has: gil.page.getByRole('heading', { name: '패스키', exact: true }) })
const open = async () => {
  await gil.page.goto(`${here}/app/service/settings/account`)
  await group.waitFor()
}
const window = gil.page.getByRole('dialog')
const names = () => gil.page.locator('.passkeys li > span').evaluateAll((all) => all.map((one) => one.firstChild.textContent))

// --- made: the password is asked for, then the finger ---
await open()
await gil.page.getByText('아직 패스키가 없습니다').waitFor()
await group.getByRole('button', { name: '패스키 만들기' }).click()
await window.getByLabel('이름').fill('내 노트북')
faults.push(...(await gil.faults()))
await window.getByLabel('비밀번호').fill('not this one')
await window.getByRole('button', { name: '패스키 만들기' }).click()
await window.getByText('비밀번호가 맞지 않습니다').waitFor()
await window.getByLabel('비밀번호').fill(PASSWORD)
await window.getByRole('button', { name: '패스키 만들기' }).click()
await gil.page.locator('.toast', { hasText: '패스키를 만들었습니다' }).waitFor()
await group.getByText('내 노트북').waitFor()
faults.push(...(await gil.faults()))
tell('made', { names: await names(), kept: await kept() })

// --- the same device has one already ---
await group.getByRole('button', { name: '패스키 만들기' }).click()
await window.getByLabel('비밀번호').fill(PASSWORD)
await window.getByRole('button', { name: '패스키 만들기' }).click()
await window.getByText('이미 이 계정의 패스키가 있습니다').waitFor()
await gil.page.keyboard.press('Escape')
await window.waitFor({ state: 'detached' })

// --- named anew ---
await group.getByRole('button', { name: '“내 노트북” 이름 바꾸기' }).click()
await window.getByLabel('이름').fill('집 노트북')
await gil.page.keyboard.press('Enter')
await group.getByText('집 노트북').waitFor()
tell('renamed', { names: await names() })

// --- signed out, and in with it ---
const signOut = async () => {
  await gil.page.goto(`${here}/app/more`)
  await gil.page.getByRole('button', { name: '로그아웃' }).click()
  await window.getByRole('button', { name: '로그아웃' }).click()
  await gil.page.locator('.gate').waitFor()
}
const byPasskey = gil.page.getByRole('button', { name: '패스키로 로그인' })
await signOut()
faults.push(...(await gil.faults()))
await verified(false)
await byPasskey.click()
await gil.page.getByText('패스키를 확인하지 않았습니다').waitFor()
await verified(true)
await byPasskey.click()
await gil.page.locator('nav.tabs').waitFor()
tell('signed_in', { same: (await gil.call('GET', '/account/whoami')).user_id === me })

// --- removed: with the password; then it opens nothing ---
await open()
await group.getByText('마지막 사용').waitFor()
await group.getByRole('button', { name: '“집 노트북” 지우기' }).click()
faults.push(...(await gil.faults()))
await window.getByLabel('비밀번호').fill(PASSWORD)
await window.getByRole('button', { name: '지우기', exact: true }).click()
await gil.page.getByText('아직 패스키가 없습니다').waitFor()
await signOut()
await byPasskey.click()
await gil.page.getByText('이 서버가 모르는 패스키').waitFor()
tell('removed', { kept: await kept(), gate: await gil.page.locator('.gate').count() })

// --- at an address of digits it is said why there is none ---
const una = await Person.at(browser, base, { locale: 'en-US' })
await una.page.getByRole('button', { name: 'Sign in with a passkey' }).click()
await una.page.getByText('Open the app by its https address').waitFor()
tell('digits', { gate: await una.page.locator('.gate').count() })
tell('faults', faults)
tell('wrongs', [...gil.wrongs, ...una.wrongs])
await browser.close()
process.exit(0)
