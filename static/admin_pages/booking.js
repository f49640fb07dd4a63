// Sends the forms of a booking in the background, so that what was typed is not lost with the
// connection: the form stays, and pressing again sends it with the same key, so that it acts once.
// Without this script each form loads the next page itself.

// Longer than the server works on a request (10 s) and longer than its time-out (20 s).
const ATTEMPT_MS = 25_000;
// These come from a proxy, or while the server restarts.
const PASSING_STATUSES = [502, 503, 504];

const LOST = "Connection lost: press again.";

// The forms that wait for their answer.
const waiting = new Set();

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-once], .desk-marks")) return;
  event.preventDefault();
  if (!waiting.has(form)) send(form, event.submitter);
});

async function send(form, button) {
  waiting.add(form);
  say(form, "");
  const response = await ask(form, button);
  waiting.delete(form);
  if (!response) {
    say(form, LOST);
    return;
  }
  // Nothing is read from a redirection, since the page that it leads to has the messages.
  if (response.type === "opaqueredirect") open(form.dataset.once || location.pathname);
  else if (response.ok) showFaults(await response.text());
  else location.reload();
}

// The answer; null without one.
async function ask(form, button) {
  const body = new URLSearchParams(new FormData(form, button));
  const signal = AbortSignal.timeout(ATTEMPT_MS);
  try {
    const response = await fetch(form.action, { method: "POST", body, redirect: "manual", signal });
    return PASSING_STATUSES.includes(response.status) ? null : response;
  } catch {
    return null;
  }
}

function open(address) {
  if (address === location.pathname) location.reload();
  else location.assign(address);
}

// The form again, with what is wrong.
function showFaults(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("content-main");
  const old = document.getElementById("content-main");
  if (!fresh || !old) {
    location.reload();
    return;
  }
  document.title = page.title;
  old.replaceWith(fresh);
  const fault = fresh.querySelector(".errornote");
  if (fault) {
    fault.tabIndex = -1;
    fault.focus();
  }
}

function say(form, text) {
  let place = form.querySelector(".lost");
  if (!place) {
    place = document.createElement("p");
    place.className = "lost";
    place.setAttribute("role", "alert");
    form.append(place);
  }
  place.textContent = text;
}
