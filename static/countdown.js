// Counts down to the end of a hold, warns before it, and says when it is over.
// The server's clock decides, so the page compares with that one and not with this device's.

// When the end is announced, in seconds before it: politely, and not every second.
const WARNINGS_S = [300, 120, 60, 30];

const box = document.getElementById("held");
if (box) count();

function count() {
  const left = document.getElementById("held-left");
  const until = document.getElementById("held-until");
  const news = document.getElementById("hold-news");
  const form = document.querySelector("form.guest");
  let skewMs = Date.parse(box.dataset.now) - Date.now();
  let endsAtMs = Date.parse(box.dataset.endsAt);
  let announced = Infinity;
  let isOver = false;

  left.hidden = false;
  tick();
  setInterval(tick, 500);

  form?.addEventListener("answered", ({ detail: answer }) => {
    if (answer.expiresAt) {
      skewMs = Date.parse(answer.now) - Date.now();
      endsAtMs = Date.parse(answer.expiresAt);
      announced = Infinity;
      until.textContent = answer.until;
      until.dateTime = answer.expiresAt;
      form.elements.namedItem("shown_end").value = answer.expiresAt;
      news.textContent = "";
      if (!answer.mayExtend) {
        for (const button of document.querySelectorAll("[data-while-held]")) button.hidden = true;
      }
      tick();
    } else if (answer.code === "HOLD_EXPIRED") {
      endsAtMs = 0;
      tick();
    }
  });

  function tick() {
    const leftS = Math.ceil((endsAtMs - Date.now() - skewMs) / 1000);
    if (leftS <= 0) {
      if (!isOver) end();
      return;
    }
    const values = { minutes: Math.floor(leftS / 60), seconds: leftS % 60 };
    left.textContent = fill(box.dataset.left, values);
    const due = WARNINGS_S.filter((warningS) => leftS <= warningS).pop();
    if (due !== undefined && due < announced) {
      announced = due;
      box.classList.add("ending");
      // Whoever opens the page late hears how long it really is, not the round number.
      const words = leftS > 90 ? box.dataset.warning : box.dataset.lastWarning;
      news.textContent = fill(words, { minutes: Math.ceil(leftS / 60), seconds: leftS });
    } else if (due === undefined) {
      box.classList.remove("ending");
    }
  }

  function end() {
    isOver = true;
    box.hidden = true;
    const state = document.getElementById("state");
    state.textContent = state.dataset.over;
    news.textContent = box.dataset.over;
    for (const button of document.querySelectorAll("[data-while-held]")) button.hidden = true;
    for (const button of document.querySelectorAll("[data-when-over]")) button.hidden = false;
  }
}

function fill(text, values) {
  return Object.entries(values).reduce((so, [key, value]) => so.replace(`{${key}}`, value), text);
}
