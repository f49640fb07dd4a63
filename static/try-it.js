// Fires real requests at one room and one night, and draws their answers as they come in.

import { make, say, sayStatus } from "./lesson-texts.js";

const ROW = 26;
const LABEL = 12.5; // rem that the outcome's text takes
const STEPS = ["claim", "lock", "txn", "finish"];

const form = document.getElementById("try");
const news = document.getElementById("live-news");
const chart = document.getElementById("live-chart");
const svg = chart.querySelector("svg");
const body = chart.querySelector("tbody");

let answers = [];

// A telephone that is turned has another width.
window.addEventListener("resize", () => {
  if (!chart.hidden) show(answers);
});

// Sends as many as the form says, unless some are on their way.
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
  return { answer, said: await answer.json() };
}

async function run(count, mode) {
  let begun;
  try {
    begun = await post({ do: "begin" });
  } catch {
    return (news.textContent = say("live.failed"));
  }
  if (begun.answer.status === 429) {
    return (news.textContent = say("live.throttled", { e: begun.answer.headers.get("Retry-After") }));
  }
  if (!begun.answer.ok) return (news.textContent = say("live.failed"));
  const { run, room, night } = begun.said;
  news.textContent = say("live.sending", { e: count, b: `${room}, ${night}` });
  answers = [];
  chart.hidden = false;
  show(answers);
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      answers.push(await send(run, index + 1, mode === "one" ? 1 : index + 1));
      show(answers);
    }),
  );
  judge(answers, mode);
  const booked = answers.find(({ booking }) => booking);
  if (booked) await post({ do: "end", run, number: booked.key, booking: booked.booking }).catch(() => {});
}

async function send(run, number, key) {
  const begun = performance.now();
  try {
    const { answer, said } = await post({ do: "book", run, number: key });
    return {
      number,
      key,
      ...said,
      status: answer.status,
      steps: readSteps(answer.headers.get("Server-Timing")),
      all: performance.now() - begun,
    };
  } catch {
    return { number, key, status: 0, code: "failed", steps: {}, all: performance.now() - begun };
  }
}

// `claim;dur=0.41, lock;dur=0.38` as {claim: 0.41, lock: 0.38}.
function readSteps(header) {
  const parts = (header ?? "").split(", ").map((part) => part.split(";dur="));
  return Object.fromEntries(parts.map(([name, duration]) => [name, Number(duration)]));
}

function judge(answers, mode) {
  const bookings = new Set(answers.map(({ booking }) => booking).filter(Boolean));
  const fresh = answers.filter(({ status, replayed }) => status === 201 && !replayed).length;
  const again = answers.filter(({ status, replayed }) => status === 201 && replayed).length;
  const code = bookings.size > 1 ? "wrong" : bookings.size ? mode : "none";
  news.textContent = say(`live.${code}`, {
    e: answers.length,
    x: code === "wrong" ? bookings.size : fresh,
    r: again,
    q: answers.length - fresh - again,
  });
}

function outcome({ status, code, replayed }) {
  return status ? sayStatus(status, code, replayed) : say("status.failed");
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
      const kind = answer.status === 201 ? (answer.replayed ? "again" : "booked") : "refused";
      const group = make("g", { class: `answer ${kind}` });
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
