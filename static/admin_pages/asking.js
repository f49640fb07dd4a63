// The door through which the admin's scripts ask the server. It tells a lost connection and the end
// of a login from an answer, so that no page shows the form of the login as if it were its own: a
// password would then go to a page that asked for something else.

// Longer than the server works on a request (10 s) and longer than its time-out (20 s).
const ATTEMPT_MS = 25_000;
// As long as a file may take by a slow connection.
const UPLOAD_MS = 240_000;
// These come from a proxy, or while the server restarts.
const PASSING_STATUSES = [502, 503, 504];
// Where staff are led who must log in, or prove more than that.
const STEPS = ["/admin/login/", "/admin/second-factor/"];

export const LOST = "Connection lost: press again";
export const LOGGED_OUT = "Your login has ended.";

// What the server answers; null without an answer. Of an answer whose `isLogin` is true, nothing may
// be shown.
export async function ask(url, options = {}) {
  const attempt_ms = options.body instanceof FormData ? UPLOAD_MS : ATTEMPT_MS;
  try {
    const response = await fetch(url, { ...options, signal: AbortSignal.timeout(attempt_ms) });
    if (PASSING_STATUSES.includes(response.status)) return null;
    const text = await response.text();
    const { ok, status, redirected } = response;
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    // For a form that a script sent, the server says where it leads, and the script goes there.
    const location = isJson ? JSON.parse(text).location : undefined;
    const isLogin = isStep(location ?? (redirected ? response.url : null));
    return { ok, status, redirected, location, isLogin, page: isJson ? null : parse(text) };
  } catch {
    return null;
  }
}

const parse = (text) => new DOMParser().parseFromString(text, "text/html");

function isStep(address) {
  if (!address) return false;
  const { pathname } = new URL(address, document.baseURI);
  return STEPS.some((step) => pathname.startsWith(step));
}

// Sends what `describe()` returns. A new login does not take the token of the one before, and it may
// have been made on another tab, so one refusal is followed by a try with the present token.
export async function post(url, describe, headers = {}) {
  const send = () => ask(url, { method: "POST", headers, body: describe() });
  const answer = await send();
  if (answer?.status !== 403) return answer;
  const here = await ask(location.href);
  const token = here?.page?.querySelector("[name=csrfmiddlewaretoken]")?.value;
  if (!here || here.isLogin || !token) return here;
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
  return send();
}

export const sendForm = (form, button, headers) =>
  post(addressOf(form, button), () => bodyOf(form, button), headers);

// A form may have a field of the name *action*, which hides its own.
const addressOf = (form, button) =>
  button?.getAttribute("formaction") || form.getAttribute("action") || location.href;

function bodyOf(form, button) {
  const data = new FormData(form, button);
  return form.enctype === "multipart/form-data" ? data : new URLSearchParams(data);
}

// What an answer without a form says. The site's own pages say why in their heading.
export function refusalIn({ status, page }) {
  if (status >= 500) return "Something went wrong: press again.";
  if (status === 413) return "This is too large for the site: choose a smaller file.";
  const why = page?.querySelector("h1")?.textContent.trim();
  return why ? `Nothing was changed: ${why}.` : "Nothing was changed.";
}

// Says at `place` that the login has ended, with a link that leads to it. What was `typed` must
// stay, so its login is on another tab.
export function sayLoggedOut(place, { typed = false } = {}) {
  const link = document.createElement("a");
  const back = new URLSearchParams({ next: location.pathname + location.search });
  link.href = `${STEPS[0]}?${typed ? new URLSearchParams({ next: "/admin/" }) : back}`;
  link.textContent = typed ? "Log in on another tab" : "Log in";
  if (typed) link.target = "_blank";
  const after = typed ? ", then press again here." : " and try again.";
  place.replaceChildren(`${LOGGED_OUT} `, link, after);
}
