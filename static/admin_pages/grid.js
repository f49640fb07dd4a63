// Arrow keys move through the grid. Tab enters it once and leaves it. Without this script, Tab
// moves from link to link.

const grid = document.getElementById("grid");
const rows = grid ? [...grid.tBodies].flatMap((body) => [...body.rows]) : [];

// Each row's links, with the columns that they cover.
const stops = rows.map((row) => {
  let column = 0;
  const found = [];
  for (const cell of row.cells) {
    const link = cell.querySelector("a");
    if (link) found.push({ link, first: column, end: column + cell.colSpan });
    column += cell.colSpan;
  }
  return found;
}).filter((found) => found.length);

let here = null;

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
function nearest(row, column) {
  const away = ({ first, end }) => Math.max(first - column, column - end + 1, 0);
  return row.reduce((best, stop) => (away(stop) < away(best) ? stop : best));
}

function target(key, { row, number }, column) {
  const found = stops[row];
  switch (key) {
    case "ArrowLeft": return found[number - 1];
    case "ArrowRight": return found[number + 1];
    case "ArrowUp": return stops[row - 1] && nearest(stops[row - 1], column);
    case "ArrowDown": return stops[row + 1] && nearest(stops[row + 1], column);
    case "Home": return found[0];
    case "End": return found[found.length - 1];
    default: return undefined;
  }
}

// Up and down stay in the column they started in, even across a wide bar.
let column = null;

if (stops.length) {
  for (const { link } of stops.flat()) link.tabIndex = -1;
  makeCurrent(stops[0][0].link);
  grid.addEventListener("focusin", (event) => {
    const link = event.target.closest("td a");
    if (link) makeCurrent(link);
  });
  grid.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const place = placeOf(event.target);
    if (!place) return;
    const vertical = event.key === "ArrowUp" || event.key === "ArrowDown";
    if (!vertical || column === null) column = stops[place.row][place.number].first;
    const stop = target(event.key, place, column);
    if (!stop) return;
    event.preventDefault();
    if (!vertical) column = stop.first;
    stop.link.focus();
  });
}
