// Sends real requests for one room and one night, and draws their answers as they arrive.

import { learn, make, say, sayCount, sayStatus } from "./lesson-texts.js";

const ROW = 26;
const LABEL = 12.5; // width of the outcome's text, in rem
const STEPS = ["claim", "lock", "txn", "finish"];

// The outcomes of a request, in the order of the report.
const KINDS = ["booked", "again", "wait", "refused", "throttled", "failed", "lost"];
const TRY_AGAIN = ["IDEMPOTENCY_IN_PROGRESS", "RESOURCE_LOCKED"];

// The wait before asking about lost answers, so that the server can finish what it is processing.
const SETTLE_MS = 1000;
const FIRST_PAUSE_MS = 500;
const MAX_ASKS = 8; // more than a minute, since each pause is twice as long as the one before

const live = document.getElementById("live");
const form = document.getElementById("try");
const news = document.getElementById("live-news");

// Loads the empty chart and its texts.
const fetched = await fetch(live.dataset.parts);
if (!fetched.ok) throw new Error(fetched.status);
const parts = new DOMParser().parseFromString(await fetched.text(), "text/html");
learn(parts.querySelector("template"));
const chart = parts.getElementById("live-chart");
live.append(chart);
const svg = chart.querySelector("svg");
const body = chart.querySelector("tbody");

let answers = [];

// Turning a phone changes the width.
window.addEventListener("resize", () => {
  if (!chart.hidden) show(answers);
});

// Sends as many requests as the form says, unless some are still on their way.
export async function fire() {
  if (form.hasAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  try {
    await run(Number(form.elements.count.value), form.elements.mode.value);
  } finally {
    form.removeAttribute("aria-busy");
  }
}

async function post(fields) {
  const data = new FormData();
  data.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  const answer = await fetch(form.action, { method: "POST", body: data });
  // A proxy's own error page counts as an answer, although it is not JSON.
  const isRead = answer.headers.get("Content-Type")?.startsWith("application/json");
  return { answer, said: isRead ? await answer.json() : {} };
}

async function run(count, mode) {
  let begun;
  try {
    begun = await post({ do: "begin" });
  } catch {
    return (news.textContent = say("live.failed"));
  }
  if (begun.answer.status === 429) {
    const left = Number(begun.answer.headers.get("Retry-After"));
    return (news.textContent = sayCount("live.throttled", left, { e: left }));
  }
  if (!begun.said.run) return (news.textContent = say("live.failed"));
  const { run, room, night } = begun.said;
  news.textContent = sayCount("live.sending", count, { e: count, b: `${room}, ${night}` });
  answers = [];
  chart.hidden = false;
  show(answers);
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      answers.push(await send(run, index + 1, mode === "one" ? 1 : index + 1));
      show(answers);
    }),
  );
  const told = tally(answers, mode);
  const asking = `${told} ${say("end.asking")}`;
  const isLost = answers.some(({ kind }) => kind === "lost");
  if (isLost) {
    news.textContent = asking;
    await pause(SETTLE_MS);
  }
  const booked = await end(run, () => (news.textContent = asking));
  news.textContent = `${told} ${judge(booked, mode, isLost)}`;
}

// Releases the room and returns how often the server booked; null if the server does not say.
async function end(run, tellOfPause) {
  for (let asks = 1, pause_ms = FIRST_PAUSE_MS; ; asks += 1, pause_ms *= 2) {
    const ended = await post({ do: "end", run }).catch(() => null);
    if (ended?.said.booked !== undefined) return ended.said.booked;
    if (asks === MAX_ASKS) return null;
    tellOfPause();
    await pause(pause_ms);
  }
}

function pause(pause_ms) {
  return new Promise((resolve) => setTimeout(resolve, pause_ms));
}

async function send(run, number, key) {
  const begun = performance.now();
  try {
    const { answer, said } = await post({ do: "book", run, number: key });
    return {
      number,
      ...said,
      status: answer.status,
      kind: kindOf(answer.status, said),
      steps: readSteps(answer.headers.get("Server-Timing")),
      all: performance.now() - begun,
    };
  } catch {
    return { number, kind: "lost", steps: {}, all: performance.now() - begun };
  }
}

// `claim;dur=0.41, lock;dur=0.38` as {claim: 0.41, lock: 0.38}.
function readSteps(header) {
  const parts = (header ?? "").split(", ").map((part) => part.split(";dur="));
  return Object.fromEntries(parts.map(([name, duration]) => [name, Number(duration)]));
}

function kindOf(status, { code, replayed }) {
  if (status === 201) return replayed ? "again" : "booked";
  if (status === 409 && code) return TRY_AGAIN.includes(code) ? "wait" : "refused";
  return status === 429 ? "throttled" : "failed";
}

// Counts each outcome.
function tally(answers, mode) {
  const parts = KINDS.map((kind) => [kind, answers.filter((answer) => answer.kind === kind).length])
    .filter(([, number]) => number)
    .map(([kind, number]) => sayCount(`part.${kind}`, number, { x: number }));
  return sayCount(`live.${mode}`, answers.length, { e: answers.length, p: parts.join(", ") });
}

// Reports the result. Only the server knows it if an answer got lost.
function judge(booked, mode, isLost) {
  if (booked === null) return say("end.unknown");
  if (booked > 1) return say("end.wrong", { x: booked });
  if (!booked) return say(isLost ? "end.none_known" : "end.none");
  return say(answers.some(({ booking }) => booking) ? `end.${mode}` : "end.unseen");
}

function outcome({ kind, status, code, replayed }) {
  if (kind === "lost") return say("status.lost");
  if (kind === "throttled") return say("status.THROTTLED");
  return kind === "failed" ? say("status.failed", { s: status }) : sayStatus(status, code, replayed);
}

function show(answers) {
  const width = chart.clientWidth;
  const isNarrow = width < 560;
  const row = isNarrow ? 2 * ROW - 8 : ROW;
  const left = isNarrow ? 0 : LABEL * 16;
  const longest = Math.max(1, ...answers.map(({ all }) => all));
  const scale = (width - left - 64) / longest;
  svg.setAttribute("width", width);
  svg.setAttribute("height", Math.max(1, answers.length) * row + 4);
  svg.replaceChildren(
    ...answers.map((answer, index) => {
      const top = index * row + 4;
      const bar = isNarrow ? top + ROW - 6 : top + 3;
      const group = make("g", { class: `answer ${answer.kind}` });
      group.append(make("text", { x: 0, y: top + 15 }, `${answer.number}. ${outcome(answer)}`));
      let at = left;
      const served = STEPS.filter((name) => answer.steps[name]);
      const rest = answer.all - served.reduce((sum, name) => sum + answer.steps[name], 0);
      for (const [name, ms] of [["rest", Math.max(0, rest)], ...served.map((name) => [name, answer.steps[name]])]) {
        group.append(make("rect", { class: name, x: at, y: bar, width: ms * scale, height: 14 }));
        at += ms * scale;
      }
      group.append(make("text", { class: "ms", x: at + 4, y: bar + 11 }, `${answer.all.toFixed(0)} ms`));
      return group;
    }),
  );
  body.replaceChildren(
    ...answers.map((answer) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, String(answer.number)),
        make("td", {}, outcome(answer)),
        ...STEPS.map((name) => make("td", {}, answer.steps[name]?.toFixed(1) ?? "–")),
        make("td", {}, answer.all.toFixed(0)),
      ),
    ),
  );
}
