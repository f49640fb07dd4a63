// A bar on its way, or an end of one: what the grid shows meanwhile, and the form that opens where
// it is dropped. Only that form changes anything.

import { openForm } from "./dialog.js";
import {
  announce, calendar, columnAt, dayInWords, dayOf, hideFrame, inNights, nameOf, nightCount, placeOf,
  roomRows, rowAt, rowOf, showFrame,
} from "./places.js";

export const BAR = "td.bar a[data-v]";

// The ends of a bar: the day of arrival and the day of departure.
export const ARRIVAL = "arrival";
export const DEPARTURE = "departure";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

const idOf = (link) => link.getAttribute("href").slice(0, -1);

const within = (number, least, most) => Math.min(Math.max(number, least), most);

// Opens the form. `to` has the version that was shown, and perhaps where the stay should be.
export function openMove(id, to) {
  const url = calendar.dataset.move.replace("ID", id);
  openForm(`${url}?${new URLSearchParams(to)}`, { onClose: hideFrame });
}

function drop(link, isAway, to) {
  if (!isAway) {
    hideFrame();
    return;
  }
  announce("");
  openMove(idOf(link), { version: link.dataset.v, ...to });
}

// The whole bar, from where the grid shows it. `x` is where the pointer took it.
export function liftBar(link, x = 0) {
  const cell = link.closest("td");
  const home = rowOf(cell);
  const { first, end } = placeOf(cell);
  const start = columnAt(x);
  const way = {
    row: home,
    shift: 0,
    help: "Arrow keys choose room and night, Enter drops, Escape stops.",
    isAway: () => way.row !== home || way.shift !== 0,
    show: () => showFrame(way.row, first + way.shift, end + way.shift, way.words()),
    words() {
      const isCut = cell.classList.contains("cut-start");
      if (!isCut) return `${nameOf(way.row)}, ${dayInWords(first + way.shift)}`;
      const later = way.shift < 0 ? "earlier" : "later";
      return `${nameOf(way.row)}, ${inNights(Math.abs(way.shift))} ${later}`;
    },
    follow(toX, toY) {
      way.row = rowAt(toY);
      way.shift = columnAt(toX) - start;
    },
    step(key) {
      const rows = roomRows();
      const down = { ArrowUp: -1, ArrowDown: 1 }[key] ?? 0;
      way.row = rows[within(rows.indexOf(way.row) + down, 0, rows.length - 1)];
      way.shift = within(way.shift + (STEPS[key] ?? 0), -nightCount(), nightCount());
    },
    drop: () => drop(link, way.isAway(), {
      from: home.dataset.room, to: way.row.dataset.room, shift: way.shift,
    }),
  };
  return way;
}

// The ends of a bar that the grid shows.
export function endsOf(link) {
  const looks = link.closest("td").classList;
  return [ARRIVAL, DEPARTURE].filter(
    (end) => !looks.contains(end === ARRIVAL ? "cut-start" : "cut-end"),
  );
}

// Where an end was taken, it may lie this far inside of the bar: an end follows the pointer only
// after it has moved so much.
const INSIDE_PX = 12;

// One end of the bar. It stays among the dates that are shown, and leaves one night.
export function liftEnd(link, which, x = 0) {
  const cell = link.closest("td");
  const row = rowOf(cell);
  const { first, end } = placeOf(cell);
  const isArrival = which === ARRIVAL;
  const home = isArrival ? first : end;
  const [least, most] = isArrival ? [0, end - 1] : [first + 1, nightCount()];
  const { left, right } = cell.getBoundingClientRect();
  const off = x - (isArrival ? Math.max(x, left + INSIDE_PX) : Math.min(x, right - INSIDE_PX));
  const way = {
    which,
    // The column of the day.
    day: home,
    help: "Left and right arrow change it, Home takes the arrival, End the departure, "
      + "Enter drops, Escape stops.",
    isAway: () => way.day !== home,
    show: () => showFrame(row, isArrival ? way.day : first, isArrival ? end : way.day, way.words()),
    words() {
      const day = `${isArrival ? "arrives" : "leaves"} ${dayInWords(way.day)}`;
      if (endsOf(link).length === 2) {
        return `${inNights(isArrival ? end - way.day : way.day - first)}, ${day}`;
      }
      const more = isArrival ? home - way.day : way.day - home;
      return `${inNights(Math.abs(more))} ${more < 0 ? "shorter" : "longer"}, ${day}`;
    },
    follow(toX) {
      way.day = within(columnAt(toX - off) + (isArrival ? 0 : 1), least, most);
    },
    step(key) {
      way.day = within(way.day + (STEPS[key] ?? 0), least, most);
    },
    drop: () => drop(link, way.isAway(), {
      [isArrival ? "check_in" : "check_out"]: dayOf(way.day),
    }),
  };
  return way;
}
