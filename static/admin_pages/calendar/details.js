// Shows a booking in short beside its bar: to a mouse that rests on it, to the keyboard's focus, and
// to a finger that taps it. Tab leads from the bar to its links.

import { ask, sayLoggedOut } from "../asking.js";
import { calendar } from "./places.js";
import { openMove } from "./ways.js";

const SHOW_MS = 350;
// Long enough to lead the mouse from the bar to the details.
const HIDE_MS = 300;
const BAR = "td.bar a";

const details = document.getElementById("bar-details");

let timer = 0;
let shown = null;
// Set while the mouse and the focus are where they were when the grid was replaced under them: the
// details would cover what has just changed.
let isQuiet = false;

function later(act, ms) {
  clearTimeout(timer);
  timer = setTimeout(act, ms);
}

async function show(link) {
  if (isQuiet || shown === link || calendar.classList.contains("is-dragging")) return;
  const mine = (shown = link);
  const answer = await ask(new URL("details/", link.href));
  if (shown !== mine) return;
  // Without an answer, the link still leads there.
  const isAnswer = answer?.isLogin || (answer?.ok && answer.page && !answer.redirected);
  if (!isAnswer || !link.isConnected || calendar.classList.contains("is-dragging")) {
    hide();
    return;
  }
  if (answer.isLogin) sayLoggedOut(details);
  else details.replaceChildren(...answer.page.body.children);
  details.hidden = false;
  link.setAttribute("aria-describedby", details.id);
  place(link);
}

// Under the bar, or above it if there is no room.
function place(link) {
  const bar = link.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = details;
  const left = Math.min(Math.max(bar.left, 8), innerWidth - width - 8);
  const isAbove = bar.bottom + height + 8 > innerHeight && bar.top > height + 8;
  details.style.left = `${Math.max(left, 8)}px`;
  details.style.top = `${Math.max(isAbove ? bar.top - height - 4 : bar.bottom + 4, 8)}px`;
}

export function hideDetails() {
  clearTimeout(timer);
  shown?.removeAttribute("aria-describedby");
  shown = null;
  if (details) details.hidden = true;
}

const hide = hideDetails;

// Hides the details until the person does something again.
export function quietDetails() {
  hide();
  isQuiet = true;
}

export function listenForDetails() {
  for (const kind of ["pointermove", "pointerdown", "keydown"]) {
    addEventListener(kind, (event) => {
      if (!isQuiet) return;
      // A browser may tell of a mouse that did not move, for what lies under it did.
      if (kind === "pointermove" && !event.movementX && !event.movementY) return;
      isQuiet = false;
      const link = event.pointerType === "mouse" && event.target.closest?.(BAR);
      if (link) later(() => show(link), SHOW_MS);
    }, { capture: true });
  }
  calendar.addEventListener("pointerover", (event) => {
    const link = event.pointerType === "mouse" && event.target.closest(BAR);
    if (link) later(() => show(link), SHOW_MS);
  });
  calendar.addEventListener("pointerout", (event) => {
    if (event.pointerType === "mouse" && event.target.closest(BAR)) later(hideUnlessUsed, HIDE_MS);
  });
  details.addEventListener("pointerenter", () => clearTimeout(timer));
  details.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") later(hideUnlessUsed, HIDE_MS);
  });
  calendar.addEventListener("focusin", (event) => {
    const link = event.target.closest(BAR);
    if (!link) hide();
    else if (link.matches(":focus-visible")) {
      if (shown !== link) hide();
      later(() => show(link), SHOW_MS);
    }
  });
  for (const place of [calendar, details]) {
    place.addEventListener("focusout", (event) => {
      if (!details.contains(event.relatedTarget) && event.relatedTarget !== shown) hide();
    });
  }
  calendar.addEventListener("pointerdown", (event) => event.pointerType === "mouse" && hide());
  calendar.addEventListener("click", (event) => {
    const link = event.target.closest(BAR);
    if (!link || event.pointerType !== "touch") return;
    event.preventDefault();
    hide();
    show(link);
  });
  document.addEventListener("pointerdown", (event) => {
    if (!details.contains(event.target) && !event.target.closest(BAR)) hide();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || details.hidden) return;
    const bar = details.contains(document.activeElement) ? shown : null;
    hide();
    bar?.focus();
  });
  details.addEventListener("click", (event) => {
    const link = event.target.closest("[data-move]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const id = new URL(link.href).pathname.split("/").at(-3);
    shown?.focus();
    hide();
    openMove(id, { version: link.dataset.move });
  });
  addEventListener("scroll", (event) => {
    if (event.target !== details && !details.contains(document.activeElement)) hide();
  }, { capture: true, passive: true });
}

function hideUnlessUsed() {
  if (!details.contains(document.activeElement) && document.activeElement !== shown) hide();
}
