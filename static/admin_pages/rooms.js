// Refreshes the lists of free rooms when the dates, guests, hotel or a chosen room change. Without
// this script, the button refreshes them.

import { ask, sayLoggedOut } from "./asking.js";
import { wasChanged } from "./changed.js";

const ASKED = [
  ...["hotel", "check_in", "check_out", "guests", "rooms"],
  ...["first", "end", "every_weeks", "weekdays", "until"],
];
const LISTS = "select[name=room], select[name=category], select[name=rooms]";

let latest = 0;

async function refresh(form) {
  const number = ++latest;
  const data = new FormData(form);
  data.set("show", "1");
  const answer = await ask(form.action, { method: "POST", body: new URLSearchParams(data) });
  // If this fails, the button still works.
  if (!answer?.page || !answer.ok || number !== latest) return;
  if (answer.isLogin) {
    sayLoggedOut(form.querySelector("#offered"), { typed: true });
    return;
  }
  if (answer.redirected) return;
  const { page } = answer;
  for (const list of form.querySelectorAll(LISTS)) {
    const fresh = page.getElementById(list.id);
    if (!fresh) continue;
    const chosen = fresh.value;
    list.replaceChildren(...fresh.children);
    list.value = chosen;
    if (fresh.ariaInvalid) list.ariaInvalid = fresh.ariaInvalid;
    else list.removeAttribute("aria-invalid");
  }
  const focused = document.activeElement.id;
  for (const offer of form.querySelectorAll("[data-offer]")) {
    const fresh = page.getElementById(offer.id);
    if (fresh) offer.replaceWith(document.adoptNode(fresh));
  }
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  const said = page.getElementById("offered");
  if (said) document.getElementById("offered").textContent = said.textContent;
}

const isAsked = (field) => field.form?.matches("[data-rooms]") && ASKED.includes(field.name);

// A form may come or be replaced later.
document.addEventListener("change", ({ target }) => {
  if (isAsked(target)) refresh(target.form);
});

for (const form of document.querySelectorAll("form[data-rooms]")) {
  if ([...form.elements].some((field) => isAsked(field) && wasChanged(field))) refresh(form);
}
