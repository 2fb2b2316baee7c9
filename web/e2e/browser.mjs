// People in real browsers: Debian's Chromium, driven by playwright-core.
import { chromium } from 'playwright-core'
import axe from 'axe-core'

/** Its microphone beeps, its two cameras show a clock, and nobody is asked whether they may be used. */
export const ARGS = ['--no-sandbox', '--use-fake-device-for-media-stream=device-count=2', '--use-fake-ui-for-media-stream']
const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 60_000) // on a machine that does other things as well

/** A browser of one's own; or, under its address, one that others use, too. */
export async function launch(executable) {
  if (executable.startsWith('ws://')) return chromium.connect(executable)
  return chromium.launch({ executablePath: executable, args: ARGS })
}

export class Person {
  constructor(context, page, base) {
    Object.assign(this, { context, page, base, wrongs: [] })
    page.setDefaultTimeout(PATIENCE_MS)
    this.watch(page)
  }

  static async at(browser, base, { locale = 'ko-KR', width = 390, dark = false } = {}) {
    const colorScheme = dark ? 'dark' : 'light'
    const context = await browser.newContext({ viewport: { width, height: 844 }, locale, colorScheme, reducedMotion: 'reduce' })
    const person = new Person(context, await context.newPage(), base)
    await person.page.goto(`${base}/app/`)
    return person
  }

  /** Uncaught errors and refused scripts are faults, whatever else works. */
  watch(page) {
    page.on('pageerror', (error) => this.wrongs.push(error.message))
    page.on('console', (line) => /Content Security Policy/.test(line.text()) && this.wrongs.push(line.text()))
  }

  async signUp(name, password) {
    const { page } = this
    await page.getByRole('button', { name: /회원가입$/ }).last().click()
    await page.locator('[name=user]').fill(name)
    await page.locator('[name=password]').fill(password)
    await page.locator('form .strong').click()
    await page.locator('nav.tabs').waitFor()
  }

  async write(text, page = this.page) {
    await page.locator('.composer textarea').fill(text)
    await page.keyboard.press('Enter')
  }

  /** Chooses files, looks at them, and sends them. files: as Playwright takes them. */
  async attach(files, caption = '', page = this.page) {
    await page.locator('.composer .attach input').first().setInputFiles(files)
    await this.sendChosen(caption, page)
  }

  /** Sends what was chosen, pasted or dropped. */
  async sendChosen(caption = '', page = this.page) {
    await page.locator('.attachments textarea').fill(caption)
    await page.locator('.attachments .go').click()
    await page.locator('.attachments').waitFor({ state: 'detached' })
  }

  /** Who is signed in here: user, device, token. */
  session() {
    return this.page.evaluate(async () => {
      const database = await new Promise((resolve) => (indexedDB.open('bongsu').onsuccess = (event) => resolve(event.target.result)))
      const read = database.transaction('facts').objectStore('facts').get('session')
      const session = await new Promise((resolve) => (read.onsuccess = () => resolve(read.result)))
      database.close()
      return session
    })
  }

  /** Asks the server with this person's token, past the app. */
  async call(method, path, body) {
    const { token } = await this.session()
    return this.page.evaluate(
      async ([method, path, body, token]) => {
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
        return (await fetch(path.startsWith('/_') ? path : `/_matrix/client/v3${path}`, { method, headers, body: JSON.stringify(body) })).json()
      },
      [method, path, body, token],
    )
  }

  /** The id of the room that is open. */
  room() {
    return decodeURIComponent(new URL(this.page.url()).pathname.split('/').at(-1))
  }

  async sees(text, page = this.page) {
    await page.locator('.bubble', { hasText: text }).first().waitFor()
  }

  /** The texts of all bubbles, in order. */
  texts(page = this.page) {
    return page.locator('.bubble .words').allTextContents()
  }

  /** What axe finds serious, by its rule's name. */
  async faults() {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
    await this.page.evaluate(axe.source)
    const found = await this.page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }), tags)
    const bad = found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    return bad.map(({ id, nodes }) => `${id}: ${nodes[0].target} ${nodes[0].failureSummary}`)
  }
}
