// Asks for the page again and puts in what has changed; says times in the reader's own. It asks nobody else.

const POLL_MS = 3000;
const ANSWER_MS_MAX = 5000;

const root = document.documentElement;
const language = root.lang;
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const lost = document.getElementById("lost");

let lastAnswer = new Date();
let timer = 0;

function spoken(when) {
  return when.toDateString() === new Date().toDateString() ? clock.format(when) : day.format(when);
}

function localise(element) {
  for (const time of element.querySelectorAll("time")) time.textContent = spoken(new Date(time.dateTime));
}

// Changes only what differs, so that a selection stays, and a screen reader speaks of changes alone.
function blend(old, fresh) {
  const same = old.nodeName === fresh.nodeName && old.childNodes.length === fresh.childNodes.length;
  if (!same) return old.replaceWith(fresh.cloneNode(true));
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return undefined;
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const pairs = [...old.childNodes].map((child, index) => [child, fresh.childNodes[index]]);
  for (const [child, other] of pairs) blend(child, other);
  return undefined;
}

function show(page) {
  localise(page);
  root.dataset.level = page.documentElement.dataset.level;
  document.title = page.title;
  for (const fresh of page.querySelectorAll("[data-live]")) {
    blend(document.querySelector(`[data-live="${fresh.dataset.live}"]`), fresh);
  }
  lastAnswer = new Date();
  lost.hidden = true;
  delete root.dataset.lostNow;
}

function showSilence() {
  const text = lost.dataset.lost.replace("{time}", spoken(lastAnswer));
  if (lost.hidden) lost.textContent = `${text} ${lost.dataset.try}`;
  lost.hidden = false;
  root.dataset.lostNow = "";
}

async function ask() {
  const options = { cache: "no-store", headers: { accept: "text/html" }, signal: AbortSignal.timeout(ANSWER_MS_MAX) };
  const answer = await fetch(`/status?lang=${language}`, options);
  if (!answer.ok) throw new Error(answer.status);
  show(new DOMParser().parseFromString(await answer.text(), "text/html"));
}

async function watch() {
  clearTimeout(timer);
  await ask().catch(showSilence);
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(watch, POLL_MS);
}

localise(document);
document.addEventListener("visibilitychange", () => document.hidden || watch());
timer = setTimeout(watch, POLL_MS);
