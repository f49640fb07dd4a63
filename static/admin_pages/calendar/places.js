// Where things are in the grid: rooms from top to bottom, nights as columns from 0 on. The page may
// replace the grid at any time, so this looks each time.

export const calendar = document.getElementById("calendar");

const DAY_MS = 24 * 60 * 60 * 1000;
const grid = () => document.getElementById("grid");

export const roomRows = () => [...grid().querySelectorAll("tr[data-room]")];

export const rowOf = (cell) => cell.closest("tr");

export const nameOf = (row) => row.cells[0].firstChild.textContent;

export const nightCount = () => grid().tHead.rows[0].cells.length - 1;

// The cells of a row with the columns that they cover.
export function cellsOf(row) {
  let first = 0;
  return [...row.cells].slice(1).map((cell) => {
    const place = { cell, first, end: first + cell.colSpan };
    first = place.end;
    return place;
  });
}

export const placeOf = (cell) => cellsOf(rowOf(cell)).find((place) => place.cell === cell);

// The column at this distance from the left edge of the window, or the nearest one.
export function columnAt(x) {
  const heads = [...grid().tHead.rows[0].cells].slice(1);
  const found = heads.findIndex((head) => x < head.getBoundingClientRect().right);
  return found < 0 ? heads.length - 1 : found;
}

// The row at this distance from the top of the window, or the nearest one.
export function rowAt(y) {
  const away = (row) => {
    const { top, bottom } = row.getBoundingClientRect();
    return Math.max(top - y, y - bottom, 0);
  };
  return roomRows().reduce((best, row) => (away(row) < away(best) ? row : best));
}

// --- Days ---

// The day of a column, as YYYY-MM-DD. Columns beyond the grid have days, too.
export function dayOf(column) {
  const first = Date.parse(`${grid().dataset.first}T00:00:00Z`);
  return new Date(first + column * DAY_MS).toISOString().slice(0, 10);
}

// Mon 30 Nov
export function dayInWords(column) {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: "UTC", weekday: "short", day: "numeric", month: "short",
  });
  const parts = format.formatToParts(Date.parse(`${dayOf(column)}T00:00:00Z`));
  const text = (type) => parts.find((part) => part.type === type).value;
  return `${text("weekday")} ${text("day")} ${text("month")}`;
}

export const inNights = (count) => `${count} ${count === 1 ? "night" : "nights"}`;

// --- The frame that shows what is chosen ---

let frame = null;

// Frames the nights of a row from one column to before another, with a text.
export function showFrame(row, first, end, text) {
  const scroller = calendar.querySelector(".desk-scroll");
  const heads = [...grid().tHead.rows[0].cells].slice(1);
  const from = Math.min(Math.max(first, 0), heads.length - 1);
  const to = Math.min(Math.max(end - 1, from), heads.length - 1);
  const here = scroller.getBoundingClientRect();
  const { top, height } = row.getBoundingClientRect();
  const left = heads[from].getBoundingClientRect().left;
  frame ??= Object.assign(document.createElement("div"), { className: "desk-frame" });
  frame.textContent = text;
  frame.setAttribute("aria-hidden", "true");
  scroller.append(frame);
  frame.style.top = `${top - here.top}px`;
  frame.style.left = `${left - here.left + scroller.scrollLeft}px`;
  frame.style.height = `${height}px`;
  frame.style.width = `${heads[to].getBoundingClientRect().right - left}px`;
}

export function hideFrame() {
  frame?.remove();
}

// --- News ---

const news = document.getElementById("calendar-news");

// Tells a screen reader.
export function announce(text) {
  news.classList.add("visually-hidden");
  news.textContent = text;
}

// Tells everyone, until the next key or press.
export function tell(text) {
  if (news.textContent !== text) news.textContent = text;
  news.classList.remove("visually-hidden");
}

for (const kind of ["keydown", "pointerdown"]) {
  addEventListener(kind, () => {
    if (news && !news.classList.contains("visually-hidden")) announce("");
  }, { capture: true });
}
