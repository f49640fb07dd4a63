// The ends of a bar. A mouse drags them where they are. A finger needs more room: it taps the bar,
// and drags one of the handles that show.

import { calendar, hideFrame } from "./places.js";
import { ARRIVAL, BAR, DEPARTURE, endsOf, liftEnd } from "./ways.js";

// How far an end reaches into its bar. Of a short bar, half is left to take all of it.
const END_PX = 10;
const HANDLE = ".desk-handle";

// The end of the bar that is at this distance from the left edge of the window.
function endAt(link, x) {
  const { left, right, width } = link.getBoundingClientRect();
  const reach = Math.min(END_PX, width / 4);
  const found = x < left + reach ? ARRIVAL : x > right - reach ? DEPARTURE : "";
  return endsOf(link).find((end) => end === found);
}

// What a press takes if it is on an end.
function endUnder(event) {
  const handle = event.target.closest(HANDLE);
  if (handle) return handles.get(handle);
  const link = event.pointerType !== "touch" && event.target.closest(BAR);
  const which = link && endAt(link, event.clientX);
  return which ? { link, which } : null;
}

export function grabEnd(event) {
  const taken = endUnder(event);
  if (!taken) return null;
  const way = liftEnd(taken.link, taken.which, event.clientX);
  return {
    // A handle is for nothing but dragging, so a finger need not rest on it.
    isAtOnce: true,
    to(x) {
      way.follow(x);
      way.show();
    },
    drop() {
      hideHandles();
      way.drop();
    },
    cancel() {
      hideHandles();
      hideFrame();
    },
  };
}

// --- The handles for a finger ---

// Each handle, with its link and which end it is.
const handles = new Map();

export function hideHandles() {
  for (const handle of handles.keys()) handle.remove();
  handles.clear();
}

function showHandles(link) {
  hideHandles();
  const scroller = calendar.querySelector(".desk-scroll");
  const here = scroller.getBoundingClientRect();
  const { left, right, top, height } = link.closest("td").getBoundingClientRect();
  for (const which of endsOf(link)) {
    const handle = Object.assign(document.createElement("span"), { className: "desk-handle" });
    // The keyboard has keys of its own.
    handle.setAttribute("aria-hidden", "true");
    const widest = scroller.scrollWidth;
    scroller.append(handle);
    const middle = (which === ARRIVAL ? left : right) - here.left + scroller.scrollLeft;
    const edge = Math.min(middle - handle.offsetWidth / 2, widest - handle.offsetWidth);
    handle.style.left = `${edge}px`;
    handle.style.top = `${top - here.top + (height - handle.offsetHeight) / 2}px`;
    handles.set(handle, { link, which });
  }
}

export function listenForEnds() {
  if (!calendar.dataset.move) return;
  calendar.addEventListener("pointermove", (event) => {
    // While a button is down, what it took decides how the pointer looks.
    if (!event.buttons) calendar.classList.toggle("is-at-end", Boolean(endUnder(event)));
  });
  document.addEventListener("click", (event) => {
    const link = event.pointerType === "touch" && event.target.closest(BAR);
    if (link) showHandles(link);
    else if (!event.target.closest(HANDLE)) hideHandles();
  });
  addEventListener("resize", hideHandles);
}
