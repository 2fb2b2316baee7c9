// Watches the server and copies texts. It keeps nothing and asks nobody else.

const POLL_MS = 3000;
const ANSWER_MS_MAX = 5000;
const SAMPLES_MAX = 6; // the rate is that of the last 15 seconds or so

const root = document.documentElement;
const words = document.getElementById("words").dataset;
const language = root.lang;
const number = new Intl.NumberFormat(language);
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const place = (id) => document.getElementById(id);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const unit = (value, name) =>
  new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);

// Changes a text only when it differs, so that a screen reader speaks of changes alone.
function write(id, text) {
  const element = place(id);
  if (element.textContent !== text) element.textContent = text;
}

function show(state, what, why) {
  root.dataset.state = state;
  write("heading", state === "gone" ? words.headingGone : words.heading);
  write("what", what);
  write("why", why);
}

if (words.liveAddress === "true") {
  for (const code of document.querySelectorAll("code")) {
    if (code.textContent === place("address").textContent && code.id !== "address") code.textContent = location.origin;
  }
  place("address").textContent = location.origin;
}
if (location.protocol === "https:") place("hint")?.remove();

// --- the server's state ---

let lastAnswer = null;
let samples = [];

function rate(status) {
  const first = samples[0];
  if (first && (first.started_ms !== status.started_ms || status.position < first.position)) samples = [];
  samples.push(status);
  if (samples.length > SAMPLES_MAX) samples.shift();
  const seconds = (status.now_ms - samples[0].now_ms) / 1000;
  if (seconds < 1) return "–";
  const perSecond = (status.position - samples[0].position) / seconds;
  return new Intl.NumberFormat(language, { maximumFractionDigits: perSecond < 10 ? 1 : 0 }).format(perSecond);
}

function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  const parts = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const first = Math.max(0, parts.findIndex(([, size]) => seconds >= size));
  return parts
    .slice(first, first + 2)
    .map(([name, size], index) => {
      const rest = index ? seconds % parts[first][1] : seconds;
      return unit(Math.floor(rest / size), name);
    })
    .join(" ");
}

function showAnswer(status) {
  lastAnswer = new Date();
  if (status.ready) show("well", words.well, words.wellWhy);
  else show("trouble", words.trouble, fill(words.troubleWhy, { reason: JSON.parse(words.reasons)[status.reason] ?? status.reason }));
  write("database", status.database_ms === null ? words.databaseSilent : unit(status.database_ms, "millisecond"));
  write("position", number.format(status.position));
  write("rate", rate(status));
  write("uptime", duration(status.now_ms - status.started_ms));
  place("parked").parentElement.hidden = status.parked === null;
  write("parked", number.format(status.parked ?? 0));
}

function showSilence() {
  samples = [];
  show("gone", lastAnswer ? fill(words.gone, { time: clock.format(lastAnswer) }) : words.goneNever, words.goneWhy);
}

async function ask() {
  try {
    const answer = await fetch("/start.json", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    if (!answer.ok) throw new Error(answer.status);
    showAnswer(await answer.json());
  } catch {
    showSilence();
  }
}

let timer = 0;

async function watch() {
  clearTimeout(timer);
  await ask();
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(watch, POLL_MS);
}

document.addEventListener("visibilitychange", () => document.hidden || watch());
watch();

// --- copying ---

function copyBySelection(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  return document.execCommand("copy");
}

async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    return copyBySelection(element); // without https browsers give no clipboard
  }
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const done = await copy(place(button.dataset.copy));
    place("said").textContent = "";
    requestAnimationFrame(() => (place("said").textContent = done ? words.copied : words.copyFailed));
    if (!done) return;
    button.textContent = words.copied;
    setTimeout(() => (button.textContent = words.copy), 2000);
  });
}
