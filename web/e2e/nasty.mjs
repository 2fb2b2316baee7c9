// HTML that people with bad intentions send, cleaned in a real browser.
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const ENTRY = fileURLToPath(new URL('../src/data/sanitise.ts', import.meta.url))

const INPUTS = {
  script: '<script>globalThis.hurt = 1</script>말',
  handler: '<b onclick="globalThis.hurt=1" onmouseover=alert(1)>굵게</b>',
  image: '<img src=x onerror="globalThis.hurt=1">',
  javascript: '<a href="javascript:globalThis.hurt=1">누르세요</a>',
  spaced: '<a href=" java\tscript:globalThis.hurt=1">누르세요</a>',
  data: '<a href="data:text/html,<script>hurt=1</script>">누르세요</a>',
  svg: '<svg><a xlink:href="javascript:hurt=1"><text>x</text></a><style><img src=x onerror=hurt=1></style></svg>',
  mutation: '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=hurt=1&gt;">',
  template: '<template><img src=x onerror=hurt=1></template><noscript><p title="</noscript><img src=x onerror=hurt=1>">',
  frame: '<iframe srcdoc="<script>parent.hurt=1</script>"></iframe><object data="x"></object><embed src="x">',
  style: '<p style="position:fixed;inset:0;background:url(//evil.example)" class="frame" id="app">덮기</p>',
  form: '<form action="//evil.example"><input name="password"><button>보내기</button></form>',
  quoted: '<mx-reply><blockquote>옛말</blockquote></mx-reply>새말',
  lookalike: '<a href="https://evil.example/login">https://bank.example</a>',
  turned: '<p>&#8238;<a href="https://evil.example/">moc.knab//:sptth</a></p>',
  deep: '<b>'.repeat(5000) + '깊이',
  fine: '<p>좋은 <strong>말</strong> <a href="https://example.org/">여기</a></p><ol start="3"><li>셋</li></ol>',
}

export async function nasty(page) {
  const options = { configFile: false, logLevel: 'silent', build: { write: false, lib: { entry: ENTRY, formats: ['iife'], name: 'cleaner' } } }
  const [{ output }] = [await build(options)].flat()
  await page.evaluate(`${output[0].code}; globalThis.cleaner = cleaner`)
  return page.evaluate(async (inputs) => {
    const settle = () => new Promise((resolve) => setTimeout(resolve, 300))
    const cleaned = {}
    for (const [name, html] of Object.entries(inputs)) {
      const place = document.createElement('div')
      place.append(globalThis.cleaner.sanitise(html))
      document.body.append(place)
      cleaned[name] = place.innerHTML.slice(0, 400)
      for (const one of place.querySelectorAll('b, a:not([href^="http"])')) one.click()
      await settle()
      place.remove()
    }
    const hurt = globalThis.hurt ?? null
    document.body.innerHTML = inputs.image // as it came: this page forbids nothing, so that would be seen
    await settle()
    return { cleaned, hurt, uncleaned: globalThis.hurt ?? null }
  }, INPUTS)
}
