// Moves a stay, or makes it longer or shorter: drag its bar or an end of it, or use the keyboard. M
// takes the bar, Shift with an arrow key takes its end.

import { grabEnd, hideHandles } from "./ends.js";
import { announce, calendar, hideFrame, tell } from "./places.js";
import { ARRIVAL, BAR, DEPARTURE, endsOf, liftBar, liftEnd } from "./ways.js";

// Why the other bars cannot be moved, by their looks.
const FIXED = {
  no_show: "A no-show cannot be moved. Undo the no-show first.",
  dead: "This hold has run out, so it cannot be moved. Make a new booking instead.",
  block: "A room block cannot be moved. Lift it, and block the other nights.",
};

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
  if (!calendar.dataset.move) return null;
  const end = grabEnd(event);
  if (end) return end;
  const link = event.target.closest(BAR);
  if (!link) return null;
  const way = liftBar(link, event.clientX);
  return {
    to(x, y) {
      hideHandles();
      way.follow(x, y);
      way.show();
    },
    drop: way.drop,
    cancel: hideFrame,
  };
}

// --- By keyboard ---

// The end that a key takes, with Shift at first.
const TAKES = { ArrowLeft: DEPARTURE, ArrowRight: DEPARTURE, Home: ARRIVAL, End: DEPARTURE };
// Why an end cannot be taken.
const CUT = {
  [ARRIVAL]: "This stay begins before the dates shown. Show those to change its arrival.",
  [DEPARTURE]: "This stay ends after the dates shown. Show those to change its departure.",
};

let carried = null;

function stop(text) {
  carried = null;
  hideFrame();
  announce(text);
}

function take(link, key) {
  const which = TAKES[key];
  if (!endsOf(link).includes(which)) {
    tell(CUT[which]);
    return;
  }
  carried = liftEnd(link, which);
  carried.step(key);
  carried.show();
  announce(`${link.textContent.trim()}: ${carried.words()}. ${carried.help}`);
}

function carry(link, key) {
  if (carried.which && ["Home", "End"].includes(key)) {
    take(link, key);
  } else if (key.startsWith("Arrow")) {
    carried.step(key);
    carried.show();
    announce(carried.words());
  }
}

// Returns whether the key was for a bar on its way.
export function moveByKey(event) {
  const isMove = event.key.toLowerCase() === "m" && !event.shiftKey;
  const isEnd = event.shiftKey && event.key in TAKES;
  const why = (isMove || isEnd) && whyFixed(event.target);
  if (why) {
    tell(why);
    return true;
  }
  const link = event.target.closest(BAR);
  if (!link || !calendar.dataset.move) return false;
  if (!carried) {
    if (isEnd) {
      take(link, event.key);
    } else if (isMove) {
      carried = liftBar(link);
      carried.show();
      announce(`Moving ${link.textContent.trim()}. ${carried.help}`);
    }
    return isEnd || isMove;
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
    carry(link, event.key);
  }
  return true;
}

export function listenForMoves() {
  calendar.addEventListener("focusout", () => carried && stop(""));
}
