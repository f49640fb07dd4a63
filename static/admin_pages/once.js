// Sends forms in the background, so that what was typed is not lost with the connection or the
// login: the form stays, and pressing again sends it with the same key, so that it acts once.
// Without this script each form loads the next page itself.

import { LOST, sayLoggedOut, sendForm } from "./asking.js";

const FAILED = "Something went wrong: press again.";

// The forms that wait for their answer.
const waiting = new Set();

// On the window, so that a page's own script comes first and may send its forms in its own way.
window.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("form[data-once], .desk-marks")) return;
  event.preventDefault();
  if (!waiting.has(form)) send(form, event.submitter);
});

async function send(form, button) {
  waiting.add(form);
  const place = placeIn(form);
  place.replaceChildren();
  const answer = await sendForm(form, button, { Accept: "application/json" });
  waiting.delete(form);
  if (!answer) place.textContent = `${LOST}.`;
  else if (answer.isLogin) sayLoggedOut(place, { typed: true });
  else if (answer.location) go(answer.location);
  else if (answer.ok) show(answer.page);
  else if (answer.status >= 500) place.textContent = FAILED;
  else loadAgain();
}

// The same page is loaded again, too; a place in it would only be scrolled to.
function go(address) {
  const next = new URL(address, location.href);
  const isHere = next.pathname + next.search === location.pathname + location.search;
  if (isHere) loadAgain();
  else location.assign(next);
}

// Reloading would send a form again if this page is the answer to one.
const loadAgain = () => location.replace(location.pathname + location.search);

// The form again, with what is wrong or with what it asked for.
function show(page) {
  const fresh = page?.getElementById("content-main");
  const old = document.getElementById("content-main");
  if (!fresh || !old) {
    loadAgain();
    return;
  }
  document.title = page.title;
  old.replaceWith(fresh);
  const news = fresh.querySelector(".errornote") ?? fresh;
  news.tabIndex = -1;
  news.focus();
}

function placeIn(form) {
  let place = form.querySelector(".lost");
  if (!place) {
    place = document.createElement("p");
    place.className = "lost";
    place.setAttribute("role", "alert");
    form.append(place);
  }
  return place;
}
