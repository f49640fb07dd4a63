// The calendar's page: brings the grid up to date in place, and shares keys and presses out. Without
// this script all links of the grid work.

import { ask } from "../asking.js";
import { hideDetails, listenForDetails, quietDetails } from "./details.js";
import { listenForAnswers } from "./dialog.js";
import { listenForDrags } from "./dragging.js";
import { listenForEnds } from "./ends.js";
import { grabBar, listenForMoves, moveByKey } from "./moving.js";
import { chooseByKey, forgetNights, grabNights } from "./nights.js";
import { announce, calendar } from "./places.js";
import { readGrid, walkByKey } from "./walking.js";

// Replaces the calendar by that of the page. What has the focus keeps it, if it is still there.
function show(page) {
  const fresh = page.getElementById("calendar");
  if (!fresh) {
    location.reload();
    return;
  }
  const focused = calendar.contains(document.activeElement) ? addressOf(document.activeElement) : "";
  const was = calendar.querySelector(".desk-scroll")?.scrollLeft ?? 0;
  quietDetails();
  forgetNights();
  calendar.replaceChildren(...fresh.children);
  calendar.querySelector(".desk-scroll").scrollLeft = was;
  const again = focused && calendar.querySelector(`#grid a[href="${CSS.escape(focused)}"]`);
  readGrid(again);
  if (focused) (again || calendar.querySelector("#grid td a"))?.focus({ preventScroll: true });
  showMessages(page);
}

const addressOf = (link) => link.getAttribute("href") ?? "";

function showMessages(page) {
  const fresh = page.querySelector(".messagelist");
  const old = document.querySelector(".messagelist");
  if (old && fresh) old.replaceWith(fresh);
  else if (old) old.remove();
  else if (fresh) document.getElementById("main").querySelector(".content").prepend(fresh);
  announce([...(fresh?.children ?? [])].map((line) => line.textContent.trim()).join(" "));
}

async function load(url) {
  const answer = await ask(url);
  if (!answer?.page) throw new Error("no answer");
  // After the end of a login, loading the page again leads there.
  show(answer.page);
}

// If this fails, the calendar stays as it is, and each move is still judged.
const refresh = () => load(location.href).catch(() => {});

// --- Other dates ---

function goByKey(event) {
  if (event.key === "g") {
    calendar.querySelector("[name=start]").focus();
    return true;
  }
  const step = [...calendar.querySelectorAll(".desk-steps a")].find(
    (link) => link.getAttribute("aria-keyshortcuts") === event.key,
  );
  if (!step) return false;
  const url = step.href;
  load(url).then(
    () => {
      history.pushState(null, "", url);
      announce(calendar.querySelector("caption").textContent);
    },
    () => location.assign(url),
  );
  return true;
}

if (calendar) {
  readGrid();
  listenForAnswers({ show, refresh });
  listenForDrags(calendar, (event) => {
    const drag = grabBar(event) ?? grabNights(event);
    if (!drag) return null;
    return { ...drag, to: (x, y) => (hideDetails(), drag.to(x, y)) };
  });
  listenForMoves();
  listenForEnds();
  listenForDetails();
  calendar.addEventListener("focusout", forgetNights);
  calendar.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !event.target.closest("#grid")) return;
    if (moveByKey(event) || chooseByKey(event)) hideDetails();
    else if (event.shiftKey || !(walkByKey(event) || goByKey(event))) return;
    event.preventDefault();
  });
  addEventListener("popstate", () => location.reload());
}
