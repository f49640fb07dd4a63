// Offers earlier guests while a name, an e-mail address or a phone number is typed into the field of
// the guest's name: the combobox of the WAI-ARIA Authoring Practices, with a list that only offers.
// Choosing a guest fills in name, e-mail address, phone number and language.

const MIN_LETTERS = 3;
const DEBOUNCE_MS = 200;

const FILLED = { guest_name: "name", guest_email: "email", guest_phone: "phone" };

export function offerGuests(form) {
  const field = form.elements.guest_name;
  const address = form.dataset.guests;
  if (!field || !address) return;

  const list = document.createElement("ul");
  list.id = "guest-list";
  list.className = "guest-list";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Earlier guests");
  const said = document.createElement("span");
  said.className = "visually-hidden";
  said.setAttribute("role", "status");
  field.parentElement.classList.add("guest-choice");
  field.after(list, said);
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", list.id);
  field.setAttribute("aria-expanded", "false");

  let guests = [];
  let active = -1;
  let timer = 0;
  let asked = new AbortController();

  function close() {
    clearTimeout(timer);
    asked.abort();
    list.hidden = true;
    said.textContent = "";
    field.setAttribute("aria-expanded", "false");
    activate(-1);
  }

  function activate(number) {
    active = number;
    for (const [n, option] of [...list.children].entries()) {
      option.setAttribute("aria-selected", String(n === number));
    }
    const option = list.children[number];
    if (!option) {
      field.removeAttribute("aria-activedescendant");
      return;
    }
    field.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function open(found) {
    guests = found;
    list.replaceChildren(...guests.map(optionFor));
    list.hidden = guests.length === 0;
    field.setAttribute("aria-expanded", String(guests.length > 0));
    said.textContent = tell(guests.length);
    activate(-1);
  }

  function choose(number) {
    const guest = guests[number];
    for (const [name, key] of Object.entries(FILLED)) form.elements[name].value = guest[key];
    const language = form.elements.guest_language;
    if ([...language.options].some((option) => option.value === guest.language)) {
      language.value = guest.language;
    }
    close();
    said.textContent = `${guest.name || guest.email}: details filled in.`;
    field.focus();
  }

  async function ask() {
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    const typed = field.value;
    const url = `${address}?${new URLSearchParams({ q: typed })}`;
    try {
      const response = await fetch(url, { signal, headers: { Accept: "application/json" } });
      if (!response.ok) return;
      const found = (await response.json()).guests;
      if (!signal.aborted && document.activeElement === field) open(found);
    } catch {
      // The name can still be typed in full.
    }
  }

  function wait() {
    close();
    if (field.value.replace(/[^\p{L}\p{N}]/gu, "").length < MIN_LETTERS) return;
    timer = setTimeout(ask, DEBOUNCE_MS);
  }

  field.addEventListener("input", wait);

  field.addEventListener("keydown", (event) => {
    if (list.hidden || event.isComposing) return;
    const last = guests.length - 1;
    if (event.key === "ArrowDown") activate(active >= last ? 0 : active + 1);
    else if (event.key === "ArrowUp") activate(active <= 0 ? last : active - 1);
    else if (event.key === "Enter" && active >= 0) choose(active);
    // A clerk who meant to choose must not book with half a name.
    else if (event.key === "Escape" || event.key === "Enter") close();
    else return;
    event.preventDefault();
  });

  field.addEventListener("blur", close);

  // A press in the list must not take the focus away, which would close it.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("li");
    if (option) choose([...list.children].indexOf(option));
  });

  // A quick clerk has typed before this script was there.
  if (document.activeElement === field) wait();
}

function optionFor(guest, number) {
  const option = document.createElement("li");
  option.id = `guest-option-${number}`;
  option.setAttribute("role", "option");
  option.append(guest.name || guest.email || guest.phone);
  for (const text of [guest.reached, guest.stay]) {
    const line = document.createElement("small");
    line.textContent = text;
    if (text) option.append(line);
  }
  return option;
}

function tell(count) {
  if (count === 0) return "No earlier guest.";
  const guests = count === 1 ? "1 earlier guest" : `${count} earlier guests`;
  return `${guests}: choose with the arrow keys.`;
}
