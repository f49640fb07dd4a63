// Moves a stay: drag its bar, or press M on it and use the arrow keys. Where it is dropped, the
// form that moves it opens; only that form moves anything.

import { openForm } from "./dialog.js";
import { listenForDrags } from "./dragging.js";
import {
  announce, calendar, columnAt, dayInWords, hideFrame, inNights, nameOf, nightCount, placeOf,
  roomRows, rowAt, rowOf, showFrame, tell,
} from "./places.js";

const BAR = "td.bar a[data-v]";
// Why the other bars cannot be moved, by their looks.
const FIXED = {
  no_show: "A no-show cannot be moved. Undo the no-show first.",
  dead: "This hold has run out, so it cannot be moved. Make a new booking instead.",
  block: "A room block cannot be moved. Lift it, and block the other nights.",
};

export const idOf = (link) => link.getAttribute("href").slice(0, -1);

// Opens the form. `to` has the version that was shown, and perhaps where the stay should be.
export function openMove(id, to) {
  const url = calendar.dataset.move.replace("ID", id);
  openForm(`${url}?${new URLSearchParams(to)}`, { onClose: hideFrame });
}

// A bar on its way, from where the grid shows it.
function lift(link) {
  const cell = link.closest("td");
  const home = rowOf(cell);
  const { first, end } = placeOf(cell);
  const way = {
    row: home,
    shift: 0,
    isAway: () => way.row !== home || way.shift !== 0,
    show: () => showFrame(way.row, first + way.shift, end + way.shift, way.words()),
    words() {
      const isCut = cell.classList.contains("cut-start");
      if (!isCut) return `${nameOf(way.row)}, ${dayInWords(first + way.shift)}`;
      const later = way.shift < 0 ? "earlier" : "later";
      return `${nameOf(way.row)}, ${inNights(Math.abs(way.shift))} ${later}`;
    },
    drop() {
      if (!way.isAway()) {
        hideFrame();
        return;
      }
      announce("");
      openMove(idOf(link), {
        version: link.dataset.v,
        from: home.dataset.room,
        to: way.row.dataset.room,
        shift: way.shift,
      });
    },
  };
  return way;
}

// Why the bar of this element cannot be moved; empty if it can, or if there is no bar.
function whyFixed(element) {
  const cell = calendar.dataset.move && element.closest("#grid td.bar");
  if (!cell || cell.querySelector("a[data-v]")) return "";
  return Object.entries(FIXED).find(([look]) => cell.classList.contains(look))?.[1] ?? "";
}

// --- By mouse and touch ---

export function grabBar(event) {
  const why = whyFixed(event.target);
  if (why) return { to: () => tell(why), drop: () => {}, cancel: () => {} };
  const link = event.target.closest(BAR);
  if (!link || !calendar.dataset.move) return null;
  const way = lift(link);
  const start = columnAt(event.clientX);
  return {
    to(x, y) {
      way.row = rowAt(y);
      way.shift = columnAt(x) - start;
      way.show();
    },
    drop: way.drop,
    cancel: hideFrame,
  };
}

// --- By keyboard ---

let carried = null;

function stop(text) {
  carried = null;
  hideFrame();
  announce(text);
}

function carry(key) {
  const rows = roomRows();
  const at = rows.indexOf(carried.row);
  switch (key) {
    case "ArrowLeft": carried.shift -= 1; break;
    case "ArrowRight": carried.shift += 1; break;
    case "ArrowUp": carried.row = rows[Math.max(at - 1, 0)]; break;
    case "ArrowDown": carried.row = rows[Math.min(at + 1, rows.length - 1)]; break;
    default: return;
  }
  carried.shift = Math.min(Math.max(carried.shift, -nightCount()), nightCount());
  carried.show();
  announce(carried.words());
}

// Returns whether the key was for a bar on its way.
export function moveByKey(event) {
  const isStart = event.key.toLowerCase() === "m" && !event.shiftKey;
  const why = isStart && whyFixed(event.target);
  if (why) {
    tell(why);
    return true;
  }
  const link = event.target.closest(BAR);
  if (!link || !calendar.dataset.move) return false;
  if (!carried) {
    if (!isStart) return false;
    carried = lift(link);
    carried.show();
    announce(
      `Moving ${link.textContent.trim()}. Arrow keys choose room and night, Enter drops, Escape stops.`,
    );
    return true;
  }
  if (event.key === "Tab") {
    stop("Not moved.");
    return false;
  }
  if (event.key === "Escape") {
    stop("Not moved.");
  } else if (event.key === "Enter") {
    const dropped = carried;
    carried = null;
    if (!dropped.isAway()) announce("Not moved.");
    dropped.drop();
  } else {
    carry(event.key);
  }
  return true;
}

export function listenForMoves() {
  calendar.addEventListener("focusout", () => carried && stop(""));
}

export { listenForDrags };
