// Sends presses in the background, and keeps the lists of the day up to date. Both replace the
// lists by those of the page that the server answers with. Without this script each press loads the
// page again.

import { ask, LOST, post, sayLoggedOut } from "./asking.js";

const REFRESH_MS = 30_000;
const NEW = {
  Arrivals: ["new arrival", "new arrivals"],
  "Late arrivals": ["new late arrival", "new late arrivals"],
  "In house": ["more guest in house", "more guests in house"],
  Departures: ["new departure", "new departures"],
  Done: ["more done", "more done"],
};

const lists = document.getElementById("lists");
const news = document.getElementById("today-news");

// The key of each press that got no answer, by the form's address and the mark.
const lost = new Map();
// The presses that wait for their answer, named in the same way.
const waiting = new Set();
// Presses are sent one after the other, so that no answer is older than the lists it replaces.
let earlier = Promise.resolve();
// Moves on with each answer to a press.
let answered = 0;

function tell(text, isSeenElsewhere = false) {
  news.classList.toggle("visually-hidden", isSeenElsewhere);
  news.textContent = text;
}

// Says it once, however often the lists are asked for.
function tellLoggedOut() {
  if (news.querySelector("a")) return;
  tell("");
  sayLoggedOut(news);
}

// --- Presses ---

document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = event.submitter;
  if (!form.matches(".desk-marks") || !button) return;
  event.preventDefault();
  const what = nameOf(form, button);
  if (waiting.has(what)) return;
  waiting.add(what);
  const press = {
    what,
    url: form.action,
    body: new URLSearchParams(new FormData(form, button)),
    stay: new URL(form.action).pathname.split("/").at(-2),
    isByKeyboard: button.matches(":focus-visible"),
  };
  earlier = earlier.then(() => send(press));
});

const nameOf = (form, button) => `${new URL(form.action).pathname} ${button.value}`;

async function send({ what, url, body, stay, isByKeyboard }) {
  const page = listsIn(await post(url, () => withToken(body)));
  waiting.delete(what);
  if (page === "login") {
    tellLoggedOut();
    return;
  }
  if (page === "elsewhere") {
    location.reload();
    return;
  }
  if (!page) {
    lost.set(what, body.get("key"));
    labelLost();
    tell(`${LOST}.`, true);
    return;
  }
  lost.delete(what);
  answered += 1;
  show(page, stay);
  focusRow(document.getElementById(`stay-${stay}`), isByKeyboard);
  showMessages(page);
}

// The page's present token: a login on another tab may have brought another one.
function withToken(body) {
  body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
  return body;
}

// A press that is made again has the key that it had before, so that it acts once.
function labelLost() {
  for (const form of document.querySelectorAll(".desk-marks")) {
    for (const button of form.querySelectorAll("button")) {
      const key = lost.get(nameOf(form, button));
      if (!key) continue;
      form.elements.key.value = key;
      const whose = button.querySelector(".visually-hidden");
      button.replaceChildren(LOST, ...(whose ? [whose] : []));
    }
  }
}

// The page that the server answers with; null without an answer, "login" if that has ended, and
// "elsewhere" for another page.
function listsIn(answer) {
  if (!answer) return null;
  if (answer.isLogin) return "login";
  return answer.page?.getElementById("lists") ? answer.page : "elsewhere";
}

function showMessages(page) {
  const fresh = page.querySelector(".messagelist");
  const old = document.querySelector(".messagelist");
  if (old && fresh) old.replaceWith(fresh);
  else if (old) old.remove();
  else if (fresh) document.getElementById("main").querySelector(".content").prepend(fresh);
  const texts = [...(fresh?.children ?? [])].map((message) => {
    const words = message.cloneNode(true);
    for (const form of words.querySelectorAll("form")) form.remove();
    return words.textContent.trim();
  });
  tell(texts.join(" "), true);
}

// --- The lists ---

// Replaces the lists. What a person opened or ticked stays, but for the stay that was pressed.
function show(page, pressed = "") {
  const open = [...lists.querySelectorAll("details[open]")].map((details) => details.id);
  const boxes = changedBoxes().map((box) => ({ id: box.closest("tr").id, ticked: box.checked }));
  lists.replaceChildren(...page.getElementById("lists").children);
  for (const id of open) {
    if (id !== `more-${pressed}`) document.getElementById(id)?.setAttribute("open", "");
  }
  for (const { id, ticked } of boxes) {
    const box = document.getElementById(id)?.querySelector("[type=checkbox]");
    if (box && id !== `stay-${pressed}`) box.checked = ticked;
  }
  labelLost();
}

const changedBoxes = () =>
  [...lists.querySelectorAll("input[type=checkbox]")].filter(
    (box) => box.checked !== box.defaultChecked,
  );

// The row, or the list that hides it. A hand that presses down a list finds the next row where it
// was; only for the keyboard the page scrolls.
function focusRow(row, isByKeyboard) {
  const hidden = row?.closest("details:not([open])");
  (hidden ? hidden.closest("section") : row)?.focus({ preventScroll: !isByKeyboard });
}

// --- Keeping up to date ---

function isInUse() {
  const focused = document.activeElement;
  return (
    waiting.size > 0 ||
    (lists.contains(focused) && focused.matches("a, button, input, select, textarea, summary")) ||
    lists.querySelector("details[open]") !== null ||
    changedBoxes().length > 0
  );
}

async function refresh() {
  if (document.hidden || isInUse()) return;
  const before = answered;
  const page = listsIn(await ask(location.href));
  // The person may have gone on in the meantime.
  if (!page || before !== answered || isInUse()) return;
  if (page === "login") {
    tellLoggedOut();
    return;
  }
  if (page === "elsewhere") {
    tell("This list is no longer kept up to date. Load the page again.");
    return;
  }
  if (page.getElementById("lists").dataset.day !== lists.dataset.day) {
    location.reload();
    return;
  }
  const were = placesOf();
  const focused = lists.contains(document.activeElement) ? document.activeElement.id : "";
  show(page);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  // They may be about a press on another page of this browser.
  if (page.querySelector(".messagelist")) showMessages(page);
  const change = wordsFor(were, placesOf());
  if (change || news.querySelector("a")) tell(change);
}

// The list of each row.
function placesOf() {
  const rows = [...lists.querySelectorAll("[data-stay]")];
  return new Map(rows.map((row) => [row.id, row.closest("[data-list]").dataset.list]));
}

function wordsFor(were, are) {
  const counts = new Map();
  for (const [row, list] of are) {
    if (were.get(row) !== list) counts.set(list, (counts.get(list) ?? 0) + 1);
  }
  const parts = [...counts].map(([list, count]) => `${count} ${NEW[list][count === 1 ? 0 : 1]}`);
  const gone = [...were.keys()].filter((row) => !are.has(row)).length;
  if (gone) parts.push(`${gone} no longer listed`);
  return parts.length ? `${parts.join(", ")}.` : "";
}

setInterval(refresh, REFRESH_MS);
document.addEventListener("visibilitychange", refresh);
