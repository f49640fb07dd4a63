// Shows a booking in short beside its bar: to a mouse that rests on it, to the keyboard's focus, and
// to a finger that taps it. Tab leads from the bar to its links.

import { calendar } from "./places.js";
import { openMove } from "./moving.js";

const SHOW_MS = 350;
// Long enough to lead the mouse from the bar to the details.
const HIDE_MS = 300;
const BAR = "td.bar a";

const details = document.getElementById("bar-details");

let timer = 0;
let shown = null;

function later(act, ms) {
  clearTimeout(timer);
  timer = setTimeout(act, ms);
}

async function show(link) {
  if (shown === link || calendar.classList.contains("is-dragging")) return;
  const mine = (shown = link);
  let text = "";
  try {
    const response = await fetch(new URL("details/", link.href));
    text = response.ok && !response.redirected ? await response.text() : "";
  } catch {
    // The link still leads there.
  }
  if (shown !== mine) return;
  if (!text || !link.isConnected || calendar.classList.contains("is-dragging")) {
    hide();
    return;
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  details.replaceChildren(...page.body.children);
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

export function listenForDetails() {
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
