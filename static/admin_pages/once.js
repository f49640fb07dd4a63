// Sends every form of the admin in the background, so that what was typed is not lost with the
// connection or the login: the form stays, and pressing again sends it once more. A form with a key
// acts once. Without this script each form loads the next page itself.

import { LOST, refusalIn, sayLoggedOut, sendForm } from "./asking.js";

// Forms that the browser sends; tests/admin/test_kept_forms.py has the reason of each.
const PLAIN = "[data-plain], #changelist-form, :has([name=_popup])";

// Forms whose page has scripts, or styles for its answer, that come when the page is loaded: Django's
// own, and those that say so.
const SCRIPTED = "[id$=_form], [data-scripted]";

// The forms that wait for their answer.
const waiting = new Set();
// Where each form leads that has acted. Until that page comes, pressing again only asks for it again.
const acted = new Map();
// Who comes back to the page may send its forms once more.
addEventListener("pageshow", (event) => event.persisted && acted.clear());

// On the window, so that a page's own script comes first and may send its forms in its own way.
window.addEventListener("submit", (event) => {
  const form = event.target;
  const isPosted = form.getAttribute("method")?.toLowerCase() === "post";
  if (event.defaultPrevented || !isPosted || form.matches(PLAIN)) return;
  event.preventDefault();
  if (acted.has(form)) go(acted.get(form));
  else if (!waiting.has(form)) send(form, event.submitter);
});

async function send(form, button) {
  waiting.add(form);
  const place = placeIn(form, button);
  place.replaceChildren();
  const answer = await sendForm(form, button, { Accept: "application/json" });
  waiting.delete(form);
  if (!answer) place.textContent = `${LOST}.`;
  else if (answer.isLogin) sayLoggedOut(place, { typed: true });
  else if (answer.location) {
    acted.set(form, answer.location);
    go(answer.location);
  } else if (isAgain(form, answer.page)) sendPlainly(form, button);
  else if (answer.ok || hasForm(answer.page)) show(answer.page, form.getAttribute("action"));
  else place.textContent = refusalIn(answer);
}

// Whether the answer shows a form with scripts again. It has done nothing then.
const isAgain = (form, page) =>
  form.matches(SCRIPTED) &&
  [...(page?.forms ?? [])].some((each) => each.matches(SCRIPTED) && each.id === form.id);

const hasForm = (page) => Boolean(page?.querySelector("#content form[method=post]"));

// The browser loads the answer as a page, with its scripts and styles.
function sendPlainly(form, button) {
  const pressed = document.createElement("input");
  pressed.type = "hidden";
  pressed.name = button?.name ?? "";
  pressed.value = button?.value ?? "";
  form.append(pressed);
  // A form may have a field of the name *submit*, which hides its own.
  HTMLFormElement.prototype.submit.call(form);
  // The form may stay: another button may be pressed after the way back.
  pressed.remove();
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

// The form again, with what is wrong or with what it asked for. A form in it without an address is
// for the address that answered.
function show(page, address) {
  const fresh = page?.getElementById("content");
  const old = document.getElementById("content");
  if (!fresh || !old) {
    loadAgain();
    return;
  }
  const from = new URL(address || location.href, location.href).href;
  for (const form of fresh.querySelectorAll("form:not([action]), form[action='']")) {
    form.setAttribute("action", from);
  }
  document.title = page.title;
  old.replaceWith(fresh);
  showMessages(page);
  const news = fresh.querySelector(".errornote, [role=alert]") ?? fresh;
  news.tabIndex = -1;
  news.focus();
}

function showMessages(page) {
  const fresh = page.querySelector(".content > .messagelist:not([id])");
  const old = document.querySelector(".content > .messagelist:not([id])");
  if (old && fresh) old.replaceWith(fresh);
  else if (old) old.remove();
  else if (fresh) document.getElementById("content").before(fresh);
}

// Beside the button, which may be far from the end of the form.
function placeIn(form, button) {
  let place = form.querySelector(".lost");
  if (!place) {
    place = document.createElement("p");
    place.className = "lost";
    place.setAttribute("role", "alert");
  }
  const row = button?.closest(".submit-row");
  if (row) row.after(place);
  else if (!place.parentElement) form.append(place);
  return place;
}
