// Arrow keys move through the grid. Tab enters it once and leaves it. Without this script, Tab
// moves from link to link.

import { calendar } from "./places.js";

// Each row's links, with the columns that they cover.
let stops = [];
let here = null;
// Up and down stay in the column they started in, even across a wide bar.
let column = null;

// Looks at the grid, which may be a new one. Tab then leads to `first`, if there is one.
export function readGrid(first = null) {
  const bodies = document.getElementById("grid")?.tBodies ?? [];
  stops = [...bodies].flatMap((body) => [...body.rows]).map(stopsOf).filter((row) => row.length);
  here = column = null;
  for (const { link } of stops.flat()) link.tabIndex = -1;
  if (stops.length) makeCurrent(first || stops[0][0].link);
}

function stopsOf(row) {
  let at = 0;
  const found = [];
  for (const cell of row.cells) {
    const link = cell.querySelector("a");
    if (link) found.push({ link, first: at, end: at + cell.colSpan });
    at += cell.colSpan;
  }
  return found;
}

function makeCurrent(link) {
  if (here) here.tabIndex = -1;
  here = link;
  here.tabIndex = 0;
}

function placeOf(link) {
  for (const [row, found] of stops.entries()) {
    const number = found.findIndex((stop) => stop.link === link);
    if (number >= 0) return { row, number };
  }
  return null;
}

// In another row: the stop that covers the column, else the nearest one.
function nearest(row, at) {
  const away = ({ first, end }) => Math.max(first - at, at - end + 1, 0);
  return row.reduce((best, stop) => (away(stop) < away(best) ? stop : best));
}

function target(key, { row, number }, at) {
  const found = stops[row];
  switch (key) {
    case "ArrowLeft": return found[number - 1];
    case "ArrowRight": return found[number + 1];
    case "ArrowUp": return stops[row - 1] && nearest(stops[row - 1], at);
    case "ArrowDown": return stops[row + 1] && nearest(stops[row + 1], at);
    case "Home": return found[0];
    case "End": return found[found.length - 1];
    default: return undefined;
  }
}

// Returns whether the key led to another link.
export function walkByKey(event) {
  const place = placeOf(event.target);
  if (!place) return false;
  const vertical = event.key === "ArrowUp" || event.key === "ArrowDown";
  if (!vertical || column === null) column = stops[place.row][place.number].first;
  const stop = target(event.key, place, column);
  if (!stop) return false;
  if (!vertical) column = stop.first;
  stop.link.focus();
  return true;
}

calendar?.addEventListener("focusin", (event) => {
  const link = event.target.closest("#grid td a");
  if (link) makeCurrent(link);
});
