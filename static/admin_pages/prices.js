// Selects nights in the grid, and changes them in a small window. What would change is shown before
// it is saved. Without this script the form below the grid does the same.

import { ask, LOST, post, sayLoggedOut } from "./asking.js";

// A finger that rests this long selects; one that moves before scrolls.
const HOLD_MS = 400;
const STILL_PX = 10;
// A drag that comes this near to the edge of the grid scrolls it.
const EDGE_PX = 48;
const SCROLL_PX = 24;

const prices = document.getElementById("prices");
const bar = document.getElementById("selection");
const news = document.getElementById("prices-news");
const editor = document.getElementById("editor");
const form = editor.querySelector("form");
const preview = part("preview");
const button = form.querySelector("[type=submit]");

// The grid as rows of cells, headings included: row 0 has the days, column 0 the categories.
let rows = [];
// The first column that is not in the past.
let firstOpen = 1;
// Where the selection began, and where it has come to.
let anchor = null;
let here = null;

function part(name) {
  return editor.querySelector(`[data-part=${name}]`);
}

// --- The grid ---

function setUp() {
  const grid = document.getElementById("price-grid");
  rows = [...grid.rows].map((row) => [...row.cells]);
  const today = grid.dataset.today;
  const open = rows[0].findIndex((cell, column) => column && cell.dataset.day >= today);
  firstOpen = open < 0 ? rows[0].length : open;
  grid.setAttribute("role", "grid");
  grid.setAttribute("aria-multiselectable", "true");
  grid.setAttribute("aria-label", "Prices by category and night");
  grid.setAttribute("aria-describedby", "prices-hint");
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      const isHeading = cell.matches("th");
      if (!isHeading) cell.setAttribute("role", "gridcell");
      if (!isHeading && column < firstOpen) {
        cell.classList.add("past");
        cell.setAttribute("aria-disabled", "true");
      }
      cell.tabIndex = -1;
    }
  }
  for (const link of grid.querySelectorAll("a")) {
    link.tabIndex = -1;
    link.draggable = false;
  }
  // The region needs no stop of its own: its cells can have the focus.
  grid.parentElement.removeAttribute("tabindex");
  prices.parentElement.classList.add("is-live");
  makeStop(here ?? { row: 1, column: Math.min(firstOpen, rows[0].length - 1) });
  paint();
}

const cellAt = ({ row, column }) => rows[row][column];

function placeOf(element) {
  const cell = element?.closest?.("#price-grid :is(td, th)");
  const row = rows.findIndex((found) => found.includes(cell));
  return row < 0 ? null : { row, column: rows[row].indexOf(cell) };
}

// Tab enters the grid at one cell.
function makeStop(place) {
  document.querySelector('#price-grid [tabindex="0"]')?.setAttribute("tabindex", "-1");
  cellAt(place).tabIndex = 0;
}

// From one place to another; a heading stands for its whole row or column.
function span(one, other, first, last) {
  if (!one || !other) return [first, last];
  return [Math.max(first, Math.min(one, other)), Math.max(one, other)];
}

function selected() {
  if (!anchor) return null;
  const [top, bottom] = span(anchor.row, here.row, 1, rows.length - 1);
  const [left, right] = span(anchor.column, here.column, firstOpen, rows[0].length - 1);
  return left > right ? null : { top, bottom, left, right };
}

const isOne = ({ top, bottom, left, right }) => top === bottom && left === right;

function nameOf({ top, bottom, left, right }) {
  const names = rows.slice(top, bottom + 1).map((row) => row[0].textContent.trim());
  const categories = names.length > 3 ? `${names.length} categories` : names.join(", ");
  const [first, last] = [rows[0][left].dataset.name, rows[0][right].dataset.name];
  return `${categories}, ${first === last ? first : `${first} to ${last}`}`;
}

function paint() {
  const area = selected();
  for (const [number, row] of rows.entries()) {
    for (const [column, cell] of row.entries()) {
      if (cell.matches("th")) continue;
      const isIn =
        area !== null &&
        number >= area.top &&
        number <= area.bottom &&
        column >= area.left &&
        column <= area.right;
      cell.setAttribute("aria-selected", isIn);
    }
  }
  bar.hidden = !area;
  const count = area ? (area.bottom - area.top + 1) * (area.right - area.left + 1) : 0;
  bar.querySelector("p").textContent = area
    ? `${count} night${count === 1 ? "" : "s"}: ${nameOf(area)}`
    : "";
}

function select(place, { extends_ = false, scrolls = false } = {}) {
  here = place;
  if (!extends_ || !anchor) anchor = place;
  makeStop(place);
  cellAt(place).focus({ preventScroll: !scrolls });
  paint();
}

function clear() {
  anchor = null;
  paint();
}

// --- By keyboard ---

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

prices.addEventListener("keydown", (event) => {
  const place = placeOf(event.target);
  if (!place || event.ctrlKey || event.altKey || event.metaKey) return;
  const within = (number, end) => Math.min(Math.max(number, 0), end);
  let next = null;
  if (event.key in STEPS) {
    const [down, right] = STEPS[event.key];
    next = {
      row: within(place.row + down, rows.length - 1),
      column: within(place.column + right, rows[0].length - 1),
    };
  } else if (event.key === "Home") next = { ...place, column: 0 };
  else if (event.key === "End") next = { ...place, column: rows[0].length - 1 };
  if (next) {
    // The focus may have come here in another way than by a selection.
    if (!anchor || cellAt(here) !== cellAt(place)) anchor = place;
    select(next, { extends_: event.shiftKey, scrolls: true });
  } else if (event.key === "Enter" || event.key === "F2") {
    if (!selected() || !anchor) select(place);
    edit();
  } else if (event.key === " ") select(place, { extends_: event.shiftKey });
  else if (event.key === "Escape" && anchor) clear();
  else return;
  event.preventDefault();
});

// --- By mouse and by finger ---

let drag = null;

prices.addEventListener("pointerdown", (event) => {
  const place = placeOf(event.target);
  if (!place || event.button !== 0 || event.ctrlKey || event.metaKey) return;
  if (event.pointerType === "mouse") {
    select(place, { extends_: event.shiftKey });
    drag = { isOn: true };
    return;
  }
  const hold = setTimeout(() => {
    drag.isOn = true;
    select(place);
  }, HOLD_MS);
  drag = { isOn: false, x: event.clientX, y: event.clientY, hold };
});

prices.addEventListener("pointermove", (event) => {
  if (!drag) return;
  if (!drag.isOn) {
    const away = Math.hypot(event.clientX - drag.x, event.clientY - drag.y);
    if (away > STILL_PX) endDrag();
    return;
  }
  scrollAtEdge(event.clientX);
  const place = placeOf(document.elementFromPoint(event.clientX, event.clientY));
  if (place && (place.row !== here.row || place.column !== here.column)) {
    select(place, { extends_: true });
  }
});

function scrollAtEdge(x) {
  const region = document.getElementById("price-grid").parentElement;
  const { left, right } = region.getBoundingClientRect();
  const start = left + rows[0][0].offsetWidth;
  if (x > right - EDGE_PX) region.scrollLeft += SCROLL_PX;
  else if (x < start + EDGE_PX && x > start) region.scrollLeft -= SCROLL_PX;
}

function endDrag() {
  clearTimeout(drag?.hold);
  drag = null;
}

document.addEventListener("pointerup", endDrag);
document.addEventListener("pointercancel", endDrag);

// While a finger selects, the page does not scroll.
prices.addEventListener(
  "touchmove",
  (event) => {
    if (drag?.isOn) event.preventDefault();
  },
  { passive: false },
);
prices.addEventListener("contextmenu", (event) => {
  if (drag && "x" in drag) event.preventDefault();
});

// A mouse has selected by now; a finger that did not hold selects by its tap.
prices.addEventListener("click", (event) => {
  const place = placeOf(event.target);
  if (!place || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  if (event.pointerType === "touch" && !hasJustHeld(place)) select(place);
});

function hasJustHeld(place) {
  const area = selected();
  return area && !isOne(area) && place.row === here.row && place.column === here.column;
}

prices.addEventListener("dblclick", (event) => {
  const place = placeOf(event.target);
  if (!place?.row || !place.column) return;
  select(place);
  edit();
});

bar.addEventListener("click", (event) => {
  const wanted = event.target.dataset.do;
  if (wanted === "edit") edit({ isWhole: true });
  else if (wanted === "clear") {
    clear();
    cellAt(here).focus();
  }
});

// --- The window ---

// The nights that it is about.
let area = null;
// The price that the window began with.
let shownPrice = "";
// Moves on with everything that is typed.
let typed = 0;
// What the server said would change; empty until it was asked about the form as it is now.
let seen = "";
let isWaiting = false;
// Whether a change was sent to be saved and got no answer.
let isLost = false;

// A single night shows its price alone at first.
function edit({ isWhole = false } = {}) {
  area = selected();
  if (!area) {
    news.textContent = "This night has passed.";
    return;
  }
  const cell = rows[area.top][area.left];
  const isSmall = isOne(area) && !isWhole;
  for (const field of form.querySelectorAll(".line :is(input, select)")) field.value = "";
  const price = form.elements.price;
  shownPrice = isSmall && !cell.matches(".none") ? cell.firstChild.textContent.trim() : "";
  price.value = shownPrice;
  document.getElementById("editor-title").textContent = nameOf(area);
  part("settings").hidden = isSmall;
  form.querySelector("[data-do=more]").hidden = !isSmall;
  const link = isOne(area) ? cell.querySelector("a") : null;
  part("page").hidden = !link;
  if (link) part("page").href = link.href;
  isLost = false;
  forgetPreview();
  editor.showModal();
  putBeside(isSmall ? cell : null);
  price.focus();
  price.select();
}

// Over the night if there is room, so that the price is edited where it stands.
function putBeside(cell) {
  const isWide = matchMedia("(min-width: 40.01rem)").matches;
  if (!cell || !isWide) {
    for (const name of ["margin", "left", "top", "max-height"]) editor.style.removeProperty(name);
    return;
  }
  const box = cell.getBoundingClientRect();
  const most = (room, size) => Math.max(8, room - size - 8);
  editor.style.margin = "0";
  editor.style.left = `${Math.max(8, Math.min(box.left, most(innerWidth, editor.offsetWidth)))}px`;
  // Room for the preview as well; whatever is longer scrolls.
  const top = Math.max(8, Math.min(box.top, most(innerHeight, 420)));
  editor.style.top = `${top}px`;
  editor.style.maxHeight = `${innerHeight - top - 8}px`;
}

function forgetPreview() {
  seen = "";
  preview.replaceChildren();
  button.textContent = "Preview";
}

form.addEventListener("input", (event) => {
  // The box that allows nights free of charge is a part of the preview.
  if (preview.contains(event.target)) return;
  typed += 1;
  forgetPreview();
});

form.addEventListener("click", (event) => {
  const wanted = event.target.dataset.do;
  if (wanted === "leave") editor.close();
  else if (wanted === "more") {
    part("settings").hidden = false;
    event.target.hidden = true;
    putBeside(null);
    form.elements.closed.focus();
  }
});

function describeForm() {
  const body = new URLSearchParams(new FormData(form));
  for (const row of rows.slice(area.top, area.bottom + 1)) {
    body.append("categories", row[0].parentElement.dataset.category);
  }
  body.set("first", rows[0][area.left].dataset.day);
  body.set("last", rows[0][area.right].dataset.day);
  // Who opens a night to close it does not mean to set the price that it had then.
  const isSet = [...part("settings").querySelectorAll("input, select")].some(({ value }) => value);
  if (isSet && body.get("price") === shownPrice) body.set("price", "");
  body.set("seen", seen);
  if (seen) body.set("apply", "1");
  return body;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (isWaiting) return;
  isWaiting = true;
  const before = typed;
  const isApplied = Boolean(seen);
  const answer = pageIn(await post(location.href, describeForm));
  isWaiting = false;
  if (answer === "login") {
    if (editor.open) sayLoggedOut(preview, { typed: true });
  } else if (answer === "elsewhere") location.reload();
  else if (!answer) {
    isLost ||= isApplied;
    button.textContent = LOST;
    news.textContent = "";
  } else if (answer.getElementById("prices")) {
    isLost = false;
    show(answer);
    editor.close();
  } else if (editor.open && typed === before) {
    showPreview(answer.getElementById("price-preview"));
  }
});

function showPreview(found) {
  preview.replaceChildren(found);
  seen = Number(found.dataset.count) ? found.dataset.seen : "";
  button.textContent = seen ? "Save" : "Preview";
}

editor.addEventListener("close", async () => {
  cellAt(here).focus({ preventScroll: true });
  if (!isLost) return;
  // It may have been saved all the same.
  isLost = false;
  const answer = pageIn(await ask(location.href));
  if (answer?.getElementById?.("prices")) {
    show(answer);
    news.textContent = "The calendar shows what is saved.";
  }
});

// --- The page that the server answers with ---

// Null without an answer, "login" if that has ended, and "elsewhere" for another page.
function pageIn(answer) {
  if (!answer) return null;
  if (answer.isLogin) return "login";
  const { page } = answer;
  const isOurs = page?.getElementById("prices") || page?.getElementById("price-preview");
  return isOurs ? page : "elsewhere";
}

function show(page) {
  const { scrollLeft } = document.getElementById("price-grid").parentElement;
  prices.replaceChildren(...page.getElementById("prices").children);
  document.getElementById("price-grid").parentElement.scrollLeft = scrollLeft;
  // Each form acts once, so the next change needs the next key.
  form.elements.key.value = page.querySelector("#editor [name=key]").value;
  if (here && (here.row >= rows.length || here.column >= rows[0].length)) anchor = here = null;
  setUp();
  showMessages(page);
}

function showMessages(page) {
  const fresh = page.querySelector(".messagelist");
  const old = document.querySelector(".messagelist");
  if (old && fresh) old.replaceWith(fresh);
  else if (old) old.remove();
  else if (fresh) document.getElementById("main").querySelector(".content").prepend(fresh);
  news.textContent = [...(fresh?.children ?? [])].map((line) => line.textContent.trim()).join(" ");
}

// --- Undo ---

prices.addEventListener("submit", async (event) => {
  if (!event.target.matches(".undo")) return;
  event.preventDefault();
  if (isWaiting) return;
  isWaiting = true;
  const describe = () => new URLSearchParams(new FormData(event.target));
  const answer = pageIn(await post(location.href, describe));
  isWaiting = false;
  if (answer === "login" || answer === "elsewhere") location.reload();
  else if (answer) {
    show(answer);
    document.querySelector('#price-grid [tabindex="0"]').focus({ preventScroll: true });
  } else {
    event.target.querySelector("button").textContent = LOST;
    news.textContent = `${LOST}.`;
  }
});

setUp();
