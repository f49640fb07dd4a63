// Chooses several free nights of a room: drag over them, or hold Shift with the left and right
// arrow keys and press Enter. Then the person books or blocks them.

import { openChoice } from "./dialog.js";
import {
  announce, calendar, cellsOf, columnAt, dayInWords, dayOf, hideFrame, inNights, nameOf, placeOf,
  rowOf, showFrame,
} from "./places.js";

const FREE = "td.free a";

// The nights from one column to another, as far as all of them are free.
function between(row, from, to) {
  const free = new Set(
    cellsOf(row).filter(({ cell }) => cell.matches(".free")).map(({ first }) => first),
  );
  const step = Math.sign(to - from);
  let last = from;
  while (last !== to && free.has(last + step)) last += step;
  return { row, first: Math.min(from, last), end: Math.max(from, last) + 1, last };
}

const inWords = ({ row, first, end }) =>
  `${nameOf(row)}, ${dayInWords(first)} – ${dayInWords(end)}, ${inNights(end - first)}`;

function show(chosen) {
  showFrame(chosen.row, chosen.first, chosen.end, inNights(chosen.end - chosen.first));
}

function choose(chosen) {
  const room = chosen.row.dataset.room;
  const [first, end] = [dayOf(chosen.first), dayOf(chosen.end)];
  const { book, block } = calendar.dataset;
  openChoice(inWords(chosen), {
    book: book && `${book}?${new URLSearchParams({ room, check_in: first, check_out: end })}`,
    block: block && `${block}?${new URLSearchParams({ rooms: room, first, end })}`,
    onClose: hideFrame,
  });
}

// --- By mouse and touch ---

export function grabNights(event) {
  const link = event.target.closest(FREE);
  if (!link) return null;
  const { first } = placeOf(link.closest("td"));
  let chosen = null;
  return {
    to(x) {
      chosen = between(rowOf(link), first, columnAt(x));
      show(chosen);
    },
    drop: () => choose(chosen),
    cancel: hideFrame,
  };
}

// --- By keyboard ---

let marked = null;

export function forgetNights() {
  if (!marked) return;
  marked = null;
  hideFrame();
}

// Returns whether the key was for chosen nights.
export function chooseByKey(event) {
  const link = event.target.closest(FREE);
  if (!link) return false;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.shiftKey && step) {
    const { first } = placeOf(link.closest("td"));
    marked = between(rowOf(link), first, (marked?.last ?? first) + step);
    show(marked);
    announce(inWords(marked));
    return true;
  }
  if (!marked || event.key === "Shift") return false;
  if (event.key === "Enter") {
    const chosen = marked;
    marked = null;
    choose(chosen);
    return true;
  }
  forgetNights();
  if (event.key !== "Escape") return false;
  announce("No nights chosen.");
  return true;
}
