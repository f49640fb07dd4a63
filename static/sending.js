// Sends a form so that it takes effect once, whatever happens on the way. Until a definite answer
// comes, it sends the same form with the same idempotency key again, after longer and longer waits.
// Without this script the browser sends the form itself, and the server's page says the same.

const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000];

// Longer than the server works on a request (10 s) and longer than its time-out (20 s).
const ATTEMPT_MS = 25000;

// These come from a proxy, or while the server restarts.
const PASSING_STATUSES = [502, 503, 504];

const news = document.getElementById("sending");
const forms = document.querySelectorAll("form[data-sending]");

for (const form of forms) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!form.hasAttribute("aria-busy")) send(form, event.submitter);
  });
}

// On Back, the browser may show this page again exactly as the guest left it.
window.addEventListener("pageshow", () => {
  for (const form of forms) form.removeAttribute("aria-busy");
  say("");
});

async function send(form, button) {
  const url = button?.hasAttribute("formaction") ? button.formAction : form.action;
  const body = new URLSearchParams(new FormData(form));
  form.setAttribute("aria-busy", "true");
  clearFaults(form);
  say("sending");
  for (const wait of [...WAITS_MS, null]) {
    const { answer, reason, retryAfterMs } = await attempt(url, body);
    if (answer === "unreadable") {
      leaveToTheBrowser(form, url);
      return;
    }
    if (answer) {
      show(form, answer);
      return;
    }
    if (wait !== null) await pause(Math.max(spread(wait), retryAfterMs), reason);
  }
  form.removeAttribute("aria-busy");
  say("givenUp", {}, "error");
}

// Makes one attempt: returns the answer, or why there is none yet.
async function attempt(url, body) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      body,
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(ATTEMPT_MS),
    });
  } catch {
    return { reason: "lost", retryAfterMs: 0 };
  }
  const retryAfterMs = 1000 * (Number(response.headers.get("Retry-After")) || 0);
  if (PASSING_STATUSES.includes(response.status)) return { reason: "away", retryAfterMs };
  let answer;
  try {
    answer = await response.json();
  } catch {
    return { answer: "unreadable" };
  }
  if (answer.retry) return { reason: "busy", retryAfterMs };
  return { answer };
}

function show(form, answer) {
  if (answer.location) {
    // The same URL must be loaded again too, and Back should skip a page that is out of date.
    const isHere = new URL(answer.location, location.href).pathname === location.pathname;
    if (isHere) location.replace(answer.location);
    else location.assign(answer.location);
    return;
  }
  form.removeAttribute("aria-busy");
  const isFault = Boolean(answer.code);
  sayText(answer.message, isFault ? "error" : "success");
  const faulty = Object.entries(answer.errors ?? {}).map(([name, faults]) =>
    showFault(form, name, faults.join(" ")),
  );
  faulty.find(Boolean)?.focus();
  form.dispatchEvent(new CustomEvent("answered", { detail: answer, bubbles: true }));
}

function showFault(form, name, text) {
  const field = form.elements.namedItem(name);
  const fault = field && document.getElementById(`${field.id}_error`);
  if (!fault) return null;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", fault.id);
  fault.textContent = text;
  fault.hidden = false;
  return field;
}

function clearFaults(form) {
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
    document.getElementById(`${field.id}_error`).hidden = true;
  }
}

// An unexpected answer, such as a page that says cookies are off: let the browser show it.
function leaveToTheBrowser(form, url) {
  form.action = url;
  form.submit();
}

// Browsers that lost the same server must not all come back at the same moment.
function spread(waitMs) {
  return waitMs * (0.75 + Math.random() / 2);
}

// Says once how long it waits, then waits. It stops early when the connection is back.
function pause(waitMs, reason) {
  say(reason, { seconds: Math.max(1, Math.round(waitMs / 1000)) });
  return new Promise((go) => {
    const timer = setTimeout(done, waitMs);
    window.addEventListener("online", done);
    function done() {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      go();
    }
  });
}

function say(name, values = {}, level = "") {
  let text = name ? news.dataset[name] : "";
  for (const [key, value] of Object.entries(values)) text = text.replace(`{${key}}`, value);
  sayText(text, level);
}

function sayText(text, level) {
  news.className = `message ${level}`;
  news.textContent = text;
  news.hidden = !text;
}
