// Steps through the recordings of tests/scenarios/record.py. The position of the two clients is a
// place in a graph. A place says who can move next, what that step shows, and where it leads.

import { has, make, say, sayCount, sayStatus } from "./lesson-texts.js";

const ACTORS = ["1", "2", "f"];
const FAULT_FROM_TURN = 3; // Play takes some steps before the fault.
const PLAY_MS = 1400;
const ROW = 34;
const TOP = 40;
const NARROW = 420; // below this width, the lane names alternate between two lines

const section = document.getElementById("lesson");
const form = document.getElementById("choices");
const files = JSON.parse(document.getElementById("recordings").textContent);
const drawing = document.getElementById("drawing");
const svg = drawing.querySelector("svg");
const log = document.getElementById("log");
const ways = document.getElementById("ways");
const verdict = document.getElementById("verdict");
const waiting = document.getElementById("waiting");
const controls = document.getElementById("controls");
const tryAgain = document.getElementById("try-again");
const staged = ["stage", "controls", "guards"].map((id) => document.getElementById(id));
const turnButtons = [...controls.querySelectorAll("[name=turn]")];
const doButtons = Object.fromEntries(
  [...controls.querySelectorAll(":not([name=turn])")].map((button) => [button.name, button]),
);

let recording = null;
let loading = 0;
let graph = [];
let taken = []; // the turns so far: {actor, step, place}
let timer = 0;

const place = () => graph[taken.at(-1)?.place ?? 0];
const isEnd = (here) => Array.isArray(here.at(-1));
const chosen = (name) => form.elements[name].value;

// --- Choosing ---

async function choose() {
  pause();
  const scenario = chosen("scenario");
  for (const input of form.elements.fault) {
    input.disabled = !(`${scenario}-${input.value}` in files);
    input.parentElement.hidden = input.disabled;
    if (input.disabled && input.checked) form.elements.fault[0].checked = true;
  }
  recording = null; // no step may follow in a scenario that is no longer chosen
  const mine = ++loading;
  try {
    const answer = await fetch(files[`${scenario}-${chosen("fault")}`]);
    if (!answer.ok) throw new Error(answer.status);
    const read = await answer.json();
    if (mine !== loading) return; // the visitor has chosen another scenario since
    recording = read;
  } catch {
    if (mine === loading) clear();
    return;
  }
  reveal(true);
  for (const input of form.elements.guard) {
    input.disabled = !recording.guards.includes(input.value);
    input.parentElement.hidden = input.disabled;
  }
  chooseGuards();
}

// Without a recording there is nothing to step through, so clear what the last one showed.
function clear() {
  reveal(false);
  ways.textContent = say("no_file");
  ways.className = "message error";
  waiting.hidden = true;
  for (const part of [svg, log.firstElementChild, verdict]) part.replaceChildren();
}

function reveal(isLoaded) {
  const hadFocus = tryAgain.contains(document.activeElement);
  tryAgain.hidden = isLoaded;
  for (const part of staged) part.hidden = !isLoaded;
  if (isLoaded && hadFocus) drawing.focus();
}

function chooseGuards() {
  pause();
  const off = [...form.elements.guard].filter((input) => !input.disabled && !input.checked);
  // The number of a choice has one bit for each guard that is off.
  const choice = off.reduce((sum, { value }) => sum + 2 ** recording.guards.indexOf(value), 0);
  graph = recording.graphs[recording.off[choice]];
  taken = [];
  const ends = graph.filter(isEnd);
  const broken = ends.filter((end) => end[1].length).length;
  const facts = { e: ends.length, x: broken };
  ways.textContent = !broken
    ? sayCount(off.length ? "ways.covered" : "ways.kept", ends.length, facts)
    : ends.length === 1
      ? say("ways.broken.all")
      : sayCount("ways.broken", broken, facts);
  ways.className = `message ${broken ? "error" : "success"}`;
  doButtons.break.hidden = !broken;
  show();
}

// --- Moving forward and back ---

function turn(actor) {
  const [step, next] = turnOf(place(), actor);
  if (!next) return false;
  taken.push({ actor, step: recording.steps[step], place: next });
  show();
  return true;
}

function turnOf(here, actor) {
  const at = 1 + 2 * ACTORS.indexOf(actor);
  return isEnd(here) ? [0, 0] : [here[at] ?? 0, here[at + 1] ?? 0];
}

function back() {
  pause();
  taken.pop();
  show();
}

function start() {
  pause();
  taken = [];
  show();
}

function playOn() {
  const last = taken.findLast(({ actor }) => actor !== "f")?.actor;
  const order = last === "1" ? ["2", "1"] : ["1", "2"];
  if (taken.length >= FAULT_FROM_TURN) order.unshift("f");
  if (!order.some(turn)) pause();
}

function play() {
  if (timer) return pause();
  if (isEnd(place())) taken = [];
  timer = setInterval(playOn, PLAY_MS);
  doButtons.play.dataset.play = doButtons.play.textContent;
  doButtons.play.textContent = say("pause");
  doButtons.play.setAttribute("aria-pressed", "true");
  playOn();
}

function pause() {
  if (!timer) return;
  clearInterval(timer);
  timer = 0;
  doButtons.play.textContent = doButtons.play.dataset.play;
  doButtons.play.setAttribute("aria-pressed", "false");
}

// The shortest way to an outcome that breaks a promise.
function showBroken() {
  pause();
  const cameFrom = new Map([[0, null]]);
  for (const number of cameFrom.keys()) {
    if (isEnd(graph[number])) {
      if (!graph[number][1].length) continue;
      taken = [];
      for (let at = number; cameFrom.get(at); at = cameFrom.get(at).from) {
        const { actor, step } = cameFrom.get(at);
        taken.unshift({ actor, step: recording.steps[step], place: at });
      }
      return show();
    }
    for (const actor of ACTORS) {
      const [step, next] = turnOf(graph[number], actor);
      if (next && !cameFrom.has(next)) cameFrom.set(next, { from: number, actor, step });
    }
  }
}

// --- Showing it ---

// Everything shown so far, one line for each arrow.
function lines() {
  const scenario = chosen("scenario");
  return taken.flatMap(({ actor, step }, number) =>
    step.map(([code, ...facts]) => {
      const key = scenario === "key" || actor !== "2" ? "K1" : "K2";
      const told = ["answer", "lost"].includes(code);
      let name = told || !has(`${code}.${facts[0]}`) ? code : `${code}.${facts[0]}`;
      if (code === "ask" && scenario === "confirm" && actor === "1") name = "ask.confirm";
      if (code === "finish" && facts[1] !== "stored") name += ".other";
      const text = say(name, {
        n: actor,
        k: key,
        b: facts.join(", ") || say("none"),
        s: told ? sayStatus(...facts) : "",
      });
      const [label, sentence] = text.split("|");
      return { actor, code, facts, label, sentence, isNew: number === taken.length - 1 };
    }),
  );
}

function show() {
  const said = lines();
  tell(said);
  draw(said);
  const here = place();
  const [claims, locks, bookings] = recording.states[here[0]];
  fill("redis", [
    ...claims.map(([k, what, n]) => [say("redis.key", { k }), say(`redis.${what}`, { n })]),
    ...locks.map((n) => [say("redis.lock"), say("redis.locked", { n })]),
  ]);
  fill("mongodb", bookings.map(([name, key, state]) => [name, key, say(`booking.${state}`)]));
  const broken = isEnd(here) ? here[1] : null;
  const verdicts = broken?.length ? broken : ["kept"];
  verdict.replaceChildren(
    ...(broken ? verdicts : []).map((code) =>
      make("p", { class: `message ${broken.length ? "error" : "success"}` }, say(`verdict.${code}`)),
    ),
  );
  enable(here);
}

function enable(here) {
  const fault = chosen("fault");
  for (const button of turnButtons) {
    const actor = button.value;
    // Not `disabled`: keyboard users would lose their place.
    button.setAttribute("aria-disabled", String(!turnOf(here, actor)[1]));
    if (actor === "f") {
      button.hidden = !has(`button.${fault}`);
      button.textContent = button.hidden ? "" : say(`button.${fault}`);
    }
  }
  doButtons.back.setAttribute("aria-disabled", String(!taken.length));
  doButtons.start.setAttribute("aria-disabled", String(!taken.length));
  doButtons.play.setAttribute("aria-disabled", "false");
  doButtons.break.setAttribute("aria-disabled", "false");
  const lastOf = (n) => taken.findLast(({ actor }) => actor === n)?.step.at(-1);
  const waits = ["1", "2"].find(
    (n) => lastOf(n)?.[1] === "conflict" && !turnOf(here, n)[1],
  );
  const due = has(`when.${fault}`) && !taken.some(({ actor }) => actor === "f");
  const hint = waits ? say("waits", { n: waits }) : due ? say(`when.${fault}`) : "";
  waiting.textContent = hint;
  waiting.hidden = !hint;
}

function tell(said) {
  const list = log.firstElementChild;
  while (list.children.length > said.length) list.lastElementChild.remove();
  said.forEach(({ actor, sentence }, number) => {
    const item = list.children[number];
    if (item?.textContent === sentence) return;
    const fresh = make("li", { class: `of-${actor}` }, sentence);
    if (item) item.replaceWith(fresh);
    else list.append(fresh);
  });
  log.scrollTop = log.scrollHeight;
}

function fill(id, rows) {
  const columns = id === "redis" ? 2 : 3;
  document.getElementById(id).replaceChildren(
    ...(rows.length
      ? rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))))
      : [make("tr", {}, make("td", { colspan: columns }, say("nothing")))]),
  );
}

// --- Drawing ---

const TO_CLIENT = ["ask", "again", "answer", "lost"];
const TO_REDIS = ["claim", "lock", "finish", "abandon", "release", "wipe", "lock_ends"];
const BAD = ["in_progress", "busy", "slots", "keys", "conflict", "stale", "not_ours", "refusal"];

function draw(said) {
  const width = drawing.clientWidth;
  const height = TOP + Math.max(said.length, 7) * ROW + 12;
  const lanes = { 1: 0.09, 2: 0.29, api: 0.5, redis: 0.7, mongodb: 0.88 };
  const x = (lane) => Math.round(lanes[lane] * width);
  const heads = { 1: say("lane.1"), 2: say("lane.2"), api: say("lane.api"), redis: "Redis", mongodb: "MongoDB" };
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  const head = make("g", { class: "lanes" });
  Object.entries(heads).forEach(([lane, name], number) => {
    const y = width < NARROW && number % 2 ? 31 : 16;
    head.append(
      make("text", { x: Math.min(Math.max(x(lane), 28), width - 36), y }, name),
      make("path", { d: `M${x(lane)} ${y + 7}V${height - 6}` }),
    );
  });
  const rows = said.map((line, number) => drawLine(line, TOP + number * ROW, x, width));
  svg.replaceChildren(head, ...rows);
  drawing.scrollTop = drawing.scrollHeight;
}

function drawLine({ actor, code, facts, label, isNew }, y, x, width) {
  const isTold = ["answer", "lost"].includes(code);
  const bad = isTold ? Boolean(facts[1]) : BAD.includes(facts[0]);
  const kind = code === "lost" || code === "crash" || actor === "f" ? "fault" : bad ? "bad" : "good";
  const group = make("g", { class: `arrow of-${actor} ${kind}${isNew ? " new" : ""}` });
  const other = TO_CLIENT.includes(code) ? actor : TO_REDIS.includes(code) ? "redis" : "mongodb";
  const at = y + 24;
  let middle;
  if (actor === "f" || code === "crash") {
    middle = x(code === "crash" ? "api" : other);
    group.append(make("path", { d: `M${middle - 6} ${at - 6}l12 12m0 -12l-12 12` }));
  } else {
    const [from, to] = isTold ? [x("api"), x(other)] : [x(other === actor ? actor : "api"), x(other === actor ? "api" : other)];
    const sign = Math.sign(to - from);
    const end = code === "lost" ? Math.round((from + to) / 2) : to - 2 * sign;
    middle = (from + to) / 2;
    group.append(make("path", { class: "shaft", pathLength: 1, d: `M${from} ${at}H${end}` }));
    group.append(
      code === "lost"
        ? make("path", { d: `M${end - 5} ${at - 5}l10 10m0 -10l-10 10` })
        : make("path", { d: `M${end - 6 * sign} ${at - 4}L${end} ${at}L${end - 6 * sign} ${at + 4}` }),
    );
  }
  const text = make("text", { y: at - 7 }, actor === "f" ? label : `${actor}: ${label}`);
  // Keeps a long label inside the drawing, at about 6.5 px a letter.
  const half = Math.min(text.textContent.length * 3.3, width / 2 - 2);
  text.setAttribute("x", Math.round(Math.min(Math.max(middle, half + 2), width - half - 2)));
  group.append(text);
  return group;
}

// --- Mouse and keyboard ---

const doing = { back, start, play, break: showBroken };

controls.addEventListener("click", ({ target: button }) => {
  if (button.getAttribute("aria-disabled") !== "false" || !recording) return;
  if (button.name !== "turn") return doing[button.name]();
  pause();
  turn(button.value);
});

// Only while the drawing has focus, so that keys keep their usual meaning elsewhere.
drawing.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || !recording) return;
  const key = event.key.toLowerCase();
  if (ACTORS.includes(key)) {
    pause();
    turn(key);
  } else if (key === "arrowleft") back();
  else if (key === "home") start();
  else if (key === " ") play();
  else return;
  event.preventDefault();
});

form.addEventListener("change", ({ target }) => {
  if (target.name !== "guard") choose();
  else if (recording) chooseGuards();
});
form.addEventListener("submit", (event) => event.preventDefault());
tryAgain.addEventListener("click", ({ target }) => {
  if (target === tryAgain) return;
  // Clears it, so that the same message is announced again.
  ways.textContent = say("loading");
  ways.className = "message";
  choose();
});

// Most readers never send a request, so this part is loaded only when needed.
const live = document.getElementById("live");
if (live) {
  live.hidden = false;
  live.addEventListener("submit", async (event) => {
    event.preventDefault();
    const script = await import(live.dataset.script).catch(() => null);
    if (script) await script.fire();
    else document.getElementById("live-news").textContent = say("live.failed");
  });
}

section.hidden = false;
new ResizeObserver(() => recording && draw(lines())).observe(drawing);
choose();
