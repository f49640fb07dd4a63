// Counts down to the end of a hold, warns before it, and says when the hold has expired.
// The server decides. This device continues the server's time with a stopwatch, since its own clock
// may be wrong or be adjusted. Whenever the page may have missed a change, it asks the server.

// Seconds before the end at which to announce it, since every second would be too often.
const WARNINGS_S = [300, 120, 60, 30];

// A stopwatch this far behind the clock stopped because the device slept.
const ASLEEP_MS = 5000;

const box = document.getElementById("held");
if (box) count();

function count() {
  const left = document.getElementById("held-left");
  const until = document.getElementById("held-until");
  const news = document.getElementById("hold-news");
  const heading = document.getElementById("state");
  const form = document.querySelector("form.guest");
  const whenHeld = { heading: heading.textContent, title: document.title };
  let serverMs, readAtMs, clockMs, endsAtMs, announced, isOver, isAsking;

  take({ now: box.dataset.now, expiresAt: box.dataset.endsAt });
  left.hidden = false;
  setInterval(tick, 500);
  document.addEventListener("visibilitychange", () => document.hidden || ask());
  window.addEventListener("online", ask);

  form?.addEventListener("answered", ({ detail: answer }) => {
    if (answer.expiresAt) take(answer);
    else if (answer.code === "HOLD_EXPIRED") end();
  });

  // The server's time and the end of the hold, as the server says.
  function take(answer) {
    serverMs = Date.parse(answer.now);
    readAtMs = performance.now();
    clockMs = Date.now();
    endsAtMs = Date.parse(answer.expiresAt);
    announced = Infinity;
    if (answer.until) {
      until.textContent = answer.until;
      until.dateTime = answer.expiresAt;
      if (form) form.elements.namedItem("shown_end").value = answer.expiresAt;
    }
    if (isOver || answer.until) news.textContent = "";
    show({ over: false, mayExtend: answer.mayExtend ?? true });
    tick();
  }

  // Asks whether the hold has been extended, confirmed or released elsewhere.
  async function ask() {
    if (isAsking) return;
    isAsking = true;
    let answer = null;
    try {
      const response = await fetch(box.dataset.url, { headers: { Accept: "application/json" } });
      answer = await response.json();
    } catch {
      // No connection: the last known state still counts.
    }
    isAsking = false;
    if (answer?.state === "pending") take(answer);
    else if (answer?.state && answer.state !== "expired") location.replace(box.dataset.url);
    else if (answer?.state === "expired" || leftS() <= 0) end();
  }

  function leftS() {
    return Math.ceil((endsAtMs - serverMs - (performance.now() - readAtMs)) / 1000);
  }

  function tick() {
    if (isOver || isAsking) return;
    const asleepMs = Date.now() - clockMs - (performance.now() - readAtMs);
    if (leftS() <= 0 || Math.abs(asleepMs) > ASLEEP_MS) {
      clockMs += asleepMs;
      ask();
      return;
    }
    const values = { minutes: Math.floor(leftS() / 60), seconds: leftS() % 60 };
    left.textContent = fill(box.dataset.left, values);
    const due = WARNINGS_S.filter((warningS) => leftS() <= warningS).pop();
    box.classList.toggle("ending", due !== undefined);
    if (due !== undefined && due < announced) {
      announced = due;
      // A guest who opens the page late hears the actual time left, not the round number.
      const words = leftS() > 90 ? box.dataset.warning : box.dataset.lastWarning;
      news.textContent = fill(words, { minutes: Math.ceil(leftS() / 60), seconds: leftS() });
    }
  }

  function end() {
    if (isOver) return;
    show({ over: true, mayExtend: false });
    news.textContent = box.dataset.over;
  }

  function show({ over, mayExtend }) {
    isOver = over;
    box.hidden = over;
    heading.textContent = over ? heading.dataset.over : whenHeld.heading;
    document.title = over ? heading.dataset.titleOver : whenHeld.title;
    for (const part of document.querySelectorAll("[data-while-held]")) part.hidden = over;
    for (const part of document.querySelectorAll("[data-when-over]")) part.hidden = !over;
    for (const part of document.querySelectorAll("[data-may-extend]")) part.hidden = !mayExtend;
  }
}

function fill(text, values) {
  return Object.entries(values).reduce((so, [key, value]) => so.replace(`{${key}}`, value), text);
}
