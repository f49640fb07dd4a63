// Refreshes the lists of free rooms when the dates, guests, hotel or a chosen room change. Without
// this script, the button refreshes them.

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
  const response = await fetch(form.action, { method: "POST", body: data });
  if (!response.ok || number !== latest) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const list of form.querySelectorAll(LISTS)) {
    const fresh = page.getElementById(list.id);
    if (!fresh) continue;
    const chosen = fresh.value;
    list.replaceChildren(...fresh.children);
    list.value = chosen;
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

export function keepOffersFresh(form) {
  form.addEventListener("change", (event) => {
    // If this fails, the button still works.
    if (ASKED.includes(event.target.name)) refresh(form).catch(() => {});
  });
}

const ofThisPage = document.querySelector("form[data-rooms]");
if (ofThisPage) keepOffersFresh(ofThisPage);
