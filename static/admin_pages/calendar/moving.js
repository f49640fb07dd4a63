// Moves a stay: drag its bar, or press M on it and use the arrow keys. Where it is dropped, the
// form that moves it opens; only that form moves anything.

import { openForm } from "./dialog.js";
import { listenForDrags } from "./dragging.js";
import {
  announce, calendar, columnAt, dayInWords, hideFrame, inNights, nameOf, nightCount, placeOf,
  roomRows, rowAt, rowOf, showFrame,
} from "./places.js";

const BAR = "td.bar a[data-v]";

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

// --- By mouse and touch ---

export function grabBar(event) {
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
  const link = event.target.closest(BAR);
  if (!link || !calendar.dataset.move) return false;
  if (!carried) {
    if (event.key.toLowerCase() !== "m" || event.shiftKey) return false;
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
