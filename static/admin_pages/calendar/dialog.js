// The dialog over the calendar: a form of another page, sent in the background. It acts once, by the
// key that it came with: if the connection is lost, the same form is sent again.

import "../rooms.js";
import { ask, LOST, refusalIn, sayLoggedOut, sendForm } from "../asking.js";

const GONE = "This cannot be done any more. The calendar is being brought up to date.";

const dialog = document.getElementById("desk-dialog");
const title = document.getElementById("desk-dialog-title");
const news = document.getElementById("desk-dialog-news");
const body = document.getElementById("desk-dialog-body");

// What takes the calendar's page after a form has acted, and what brings the calendar up to date.
let listeners = { show: () => {}, refresh: () => {} };
let onClose = null;
// Moves on with each form, so that a late answer finds no other one.
let turn = 0;
let isSending = false;
let isStale = false;

export function listenForAnswers(given) {
  listeners = given;
}

// The form of the page at `url`.
export async function openForm(url, { onClose: closing } = {}) {
  open("One moment…", closing);
  const mine = ++turn;
  const answer = await ask(url);
  if (mine !== turn || !dialog.open) return;
  if (!answer) {
    say("The connection was lost.", "Try again", () => openForm(url, { onClose: closing }));
    return;
  }
  if (answer.isLogin) {
    sayLoggedOut(news);
    return;
  }
  const form = formIn(answer);
  if (!form) {
    isStale = true;
    say(GONE);
    return;
  }
  showForm(form, answer.page, url);
  focusNext();
}

// What to do with nights that were chosen: a link that books, a form that blocks.
export function openChoice(words, { book, block, onClose: closing }) {
  open(words, closing);
  turn += 1;
  const row = Object.assign(document.createElement("p"), { className: "desk-offer" });
  if (book) {
    const link = Object.assign(document.createElement("a"), { href: book, className: "button" });
    link.textContent = "New booking";
    row.append(link);
  }
  if (block) row.append(makeButton("Block", () => openForm(block, { onClose: closing })));
  body.replaceChildren(row);
  row.firstElementChild?.focus();
}

function open(words, closing) {
  onClose = closing;
  isStale = false;
  title.textContent = words;
  news.textContent = "";
  body.replaceChildren();
  if (!dialog.open) dialog.showModal();
  title.focus();
}

function say(text, button, act) {
  news.textContent = text;
  body.replaceChildren(...(button ? [makeButton(button, act)] : []));
}

function makeButton(text, act) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "button", textContent: text });
  button.addEventListener("click", act);
  return button;
}

// --- The form ---

// Of another page than the one that was asked for, nothing is shown.
const formIn = ({ redirected, page }) =>
  redirected ? null : page?.querySelector("#content-main form[method=post]");

function showForm(form, page, url) {
  const heading = page.querySelector("#content h1, #content > h2");
  if (heading) title.textContent = heading.textContent;
  const place = new URL(url, location.href);
  form.setAttribute("action", place.pathname);
  const back = document.createElement("input");
  Object.assign(back, {
    type: "hidden", name: "back", value: location.pathname + location.search,
  });
  form.append(back);
  news.textContent = "";
  body.replaceChildren(document.adoptNode(form));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, event.submitter);
  });
}

// What is wrong or missing, else the button that acts.
function focusNext() {
  const wanted =
    body.querySelector("[aria-invalid=true]") ??
    body.querySelector(":is(input, select, textarea):invalid") ??
    body.querySelector("input[type=submit].default");
  (wanted ?? title).focus();
}

async function send(form, button) {
  if (isSending) return;
  isSending = true;
  const mine = turn;
  news.textContent = "One moment…";
  const isQuestion = button?.name === "show";
  const answer = await sendForm(form, button);
  isSending = false;
  const isOpen = mine === turn && dialog.open;
  if (answer?.page?.getElementById("calendar")) {
    isStale = false;
    if (isOpen) dialog.close();
    listeners.show(answer.page);
    return;
  }
  if (!isOpen) {
    // It may have acted, or not: the calendar says.
    listeners.refresh();
    return;
  }
  if (!answer) {
    isStale = true;
    news.textContent = `${LOST}.`;
    if (button) button.value = LOST;
    return;
  }
  if (answer.isLogin) {
    sayLoggedOut(news, { typed: true });
    return;
  }
  const fresh = formIn(answer);
  if (!fresh) {
    isStale = true;
    if (answer.status >= 500) news.textContent = refusalIn(answer);
    else say(GONE);
    return;
  }
  if (!isQuestion) isStale = true;
  showForm(fresh, answer.page, form.action);
  const fault = body.querySelector(".errornote, .errorlist");
  if (fault) {
    news.textContent = [...body.querySelectorAll(".errorlist li")]
      .map((line) => line.textContent).join(" ");
    fault.tabIndex = -1;
    fault.focus();
  } else {
    focusNext();
  }
}

dialog?.addEventListener("close", () => {
  turn += 1;
  onClose?.();
  onClose = null;
  body.replaceChildren();
  if (isStale) listeners.refresh();
});
dialog?.querySelector("[data-close]").addEventListener("click", () => dialog.close());
