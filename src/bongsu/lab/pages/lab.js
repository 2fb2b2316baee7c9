// The live page of a laboratory: asks every second, shows what changed, does what a button says.

const EVERY_MS = 1000;
const EVENTS_MAX = 100;
const words = document.getElementById("words").dataset;
const list = document.getElementById("sites");
const events = document.getElementById("events");
const cards = new Map();
const roles = new Map();
let answers = true;

const say = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);

function tell(text) {
  events.querySelector(".quiet")?.remove();
  const line = document.createElement("li");
  const time = document.createElement("time");
  const now = new Date();
  time.dateTime = now.toISOString();
  time.textContent = now.toLocaleTimeString(document.documentElement.lang, { hour12: false });
  line.append(time, text);
  events.prepend(line);
  while (events.childElementCount > EVENTS_MAX) events.lastElementChild.remove();
}

function card(site) {
  if (cards.has(site.name)) return cards.get(site.name);
  const made = document.getElementById("site").content.cloneNode(true).firstElementChild;
  made.querySelector("h3").textContent = site.name;
  for (const button of made.querySelectorAll("button")) {
    const action = button.textContent;
    button.setAttribute("aria-label", say(words.button, { action, site: site.name }));
    button.addEventListener("click", () => act(button.dataset.action, action, site.name));
  }
  cards.set(site.name, made);
  list.append(made);
  return made;
}

async function act(action, text, site) {
  const answer = await fetch(`/do/${action}/${site}`, { method: "POST", headers: { "x-bongsu-lab": "1" } });
  const reason = answer.ok ? "" : await answer.text();
  tell(say(answer.ok ? words.toldAction : words.toldFailed, { action: text, site, reason }));
  await look();
}

function database(site) {
  const role = words[`role_${site.database}`] ?? site.database;
  if (site.database !== "standby") return role;
  return `${role}, ${site.is_synchronous ? words.inStep : words.catchingUp}`;
}

function show(site, canCut) {
  const place = card(site);
  const put = (name, text) => { place.querySelector(name).textContent = text; };
  place.dataset.role = site.role;
  put(".role", words[`role_${site.role}`]);
  put(".address", site.url);
  put(".worker", site.serves ? words.yes : words.no);
  put(".database", database(site));
  put(".etcd", site.etcd ? words.votes : words.votesNot);
  put(".done", site.faults.map((name) => words[`fault_${name}`] ?? name).join(", ") || "–");
  for (const button of place.querySelectorAll("button")) {
    const heals = button.dataset.action === "heal";
    const cuts = button.dataset.action === "cut";
    button.disabled = heals ? site.faults.length === 0 : site.faults.length > 0 || (cuts && !canCut);
    if (cuts && !canCut) button.title = words.cannotCut;
  }
  if (roles.has(site.name) && roles.get(site.name) !== site.role) {
    tell(say(words.toldRole, { site: site.name, role: words[`role_${site.role}`] }));
  }
  roles.set(site.name, site.role);
}

function draw(rates) {
  const now = rates.at(-1);
  document.getElementById("rate").textContent = now === undefined ? "–" : Math.round(now).toLocaleString();
  const most = Math.max(1, ...rates);
  const points = rates.map((rate, index) => `${120 - rates.length + index + 1},${29 - (28 * rate) / most}`);
  document.getElementById("line").setAttribute("points", points.join(" "));
}

async function look() {
  try {
    const state = await (await fetch("/state.json", { cache: "no-store" })).json();
    if (!answers) tell(words.toldBack);
    answers = true;
    for (const site of state.sites) show(site, state.can_cut);
    draw(state.rates);
  } catch {
    if (answers) tell(words.toldGone);
    answers = false;
  }
}

for (;;) {
  await look();
  await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
}
