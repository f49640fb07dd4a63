// Drags by mouse, pen and touch. A mouse drags once it has moved a little. A finger scrolls the
// page, unless it rests first.

const START_PX = 5;
const REST_MS = 450;
// A finger that rests moves by less than this.
const TREMBLE_PX = 10;
// This near to an edge of what scrolls, it scrolls by so much for each frame.
const EDGE_PX = 36;
const SCROLL_PX = 10;

let press = null;

// `grab(event)` looks at a press and returns what to do with it, or null: `to(x, y)` as the pointer
// moves, then `drop()` or `cancel()`. With `isAtOnce` a finger need not rest.
export function listenForDrags(area, grab) {
  area.addEventListener("pointerdown", (event) => {
    if (press || !event.isPrimary || event.button !== 0) return;
    const drag = grab(event);
    if (!drag) return;
    const isFinger = event.pointerType === "touch" && !drag.isAtOnce;
    press = { drag, isFinger, id: event.pointerId, x: event.clientX, y: event.clientY, area };
    if (isFinger) press.timer = setTimeout(begin, REST_MS);
  });
  area.addEventListener("dragstart", (event) => press && event.preventDefault());
  // A finger that rests on a link would open the browser's menu.
  area.addEventListener("contextmenu", (event) => press?.isFinger && event.preventDefault());
  // Without this the browser would scroll, and take the pointer away.
  const hold = (event) => press?.hasBegun && event.cancelable && event.preventDefault();
  area.addEventListener("touchmove", hold, { passive: false });
}

function begin() {
  press.hasBegun = true;
  press.area.classList.add("is-dragging");
  if (!press.isFinger) press.area.setPointerCapture(press.id);
  getSelection().removeAllRanges();
  press.drag.to(press.x, press.y);
  scrollAtEdges(press);
}

function end(act) {
  const { drag, hasBegun, area, timer } = press;
  clearTimeout(timer);
  press = null;
  area.classList.remove("is-dragging");
  if (hasBegun) drag[act]();
}

window.addEventListener("pointermove", (event) => {
  if (event.pointerId !== press?.id) return;
  const moved = Math.hypot(event.clientX - press.x, event.clientY - press.y);
  if (!press.hasBegun) {
    if (press.isFinger && moved > TREMBLE_PX) end("cancel");
    else if (!press.isFinger && moved > START_PX) begin();
  }
  if (!press?.hasBegun) return;
  press.at = { x: event.clientX, y: event.clientY };
  press.drag.to(event.clientX, event.clientY);
});

window.addEventListener("pointerup", (event) => {
  if (event.pointerId !== press?.id) return;
  if (press.hasBegun) swallowClick();
  end("drop");
});

window.addEventListener("pointercancel", (event) => {
  if (event.pointerId === press?.id) end("cancel");
});

window.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !press?.hasBegun) return;
  event.stopImmediatePropagation();
  swallowNextClick();
  end("cancel");
}, { capture: true });

// The click that the browser makes of the end of a drag.
function swallowClick() {
  const swallow = (event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  window.addEventListener("click", swallow, { capture: true, once: true });
  setTimeout(() => window.removeEventListener("click", swallow, { capture: true }), 50);
}

// The button is still down, so its click comes only when it is let go.
function swallowNextClick() {
  window.addEventListener("pointerup", swallowClick, { once: true });
}

function scrollAtEdges(mine) {
  if (press !== mine) return;
  const { at, area } = mine;
  const scroller = area.querySelector(".desk-scroll");
  if (at && scroller) {
    const { left, right } = scroller.getBoundingClientRect();
    const across = direction(at.x, left, right);
    const down = direction(at.y, 0, window.innerHeight);
    if (across || down) {
      scroller.scrollBy(across * SCROLL_PX, 0);
      window.scrollBy(0, down * SCROLL_PX);
      mine.drag.to(at.x, at.y);
    }
  }
  requestAnimationFrame(() => scrollAtEdges(mine));
}

const direction = (at, start, stop) =>
  at < start + EDGE_PX ? -1 : at > stop - EDGE_PX ? 1 : 0;
