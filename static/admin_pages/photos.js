// Uploads several photos one after the other with a bar each, orders them by dragging, and shows
// those that have been converted. Without this script the form takes one photo, and buttons order.

const RETRY_MS = 5000;
// As long as the slowest upload of another person may take.
const MAX_RETRIES = 45;
const LOOK_AGAIN_MS = 3000;

const form = document.querySelector("form[data-upload]");
const album = document.querySelector("[data-order]");

function send(data, bar) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) bar.value = event.loaded / event.total;
    });
    request.addEventListener("loadend", () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // A refusal of the server itself, or no answer at all.
      }
      resolve({ status: request.status, answer });
    });
    request.send(data);
  });
}

const TOO_LARGE = `This file is too large; choose one of at most ${form?.dataset.maxMb} MB.`;

function why(status, answer) {
  if (status === 0) return "The connection broke; try again.";
  if (status === 503) return answer.error || "The server is busy; try again in a minute.";
  // Without a login the answer leads to another page, or says that only staff send files.
  if ([200, 403, 413].includes(status)) return "You are no longer logged in; open this page again.";
  return answer.error || "Something went wrong; try again.";
}

async function upload(file, line) {
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.setAttribute("aria-label", file.name);
  line.append(file.name, bar);
  if (file.size > form.dataset.maxMb * 1_000_000) return TOO_LARGE;
  const data = new FormData(form);
  data.set("photo", file);
  for (let tries = 0; ; tries += 1) {
    // The key stays, so a photo whose answer was lost is not kept twice.
    const { status, answer } = await send(data, bar);
    if (answer.key) form.elements.key.value = answer.key;
    if (status === 200 && answer.key) return "";
    if ((status !== 503 && status !== 0) || tries >= (status === 0 ? 2 : MAX_RETRIES)) {
      return why(status, answer);
    }
    bar.removeAttribute("value");
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}

async function uploadAll(chosen) {
  const list = form.querySelector("[data-uploads]");
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  let failed = 0;
  list.replaceChildren();
  for (const file of chosen) {
    const line = list.appendChild(document.createElement("p"));
    const fault = await upload(file, line);
    const said = document.createElement("span");
    said.textContent = fault || "Uploaded.";
    if (fault) {
      failed += 1;
      line.classList.add("failed");
      line.querySelector("progress").remove();
    }
    line.append(said);
  }
  button.disabled = false;
  form.elements.photo.value = "";
  if (!failed) return location.replace(location.pathname);
  if (failed === chosen.length) return;
  // What was refused stays to be read, so the person decides when the page shows the others.
  const show = list.appendChild(document.createElement("button"));
  show.type = "button";
  show.className = "button";
  show.textContent = "Show the photos that were uploaded";
  show.addEventListener("click", () => location.replace(location.pathname));
}

if (form) {
  form.elements.photo.multiple = true;
  form.addEventListener("submit", (event) => {
    const chosen = [...form.elements.photo.files];
    if (!chosen.length) return;
    event.preventDefault();
    uploadAll(chosen);
  });
}

// Each button of a photo sends its own form alone.
for (const own of album?.querySelectorAll("form") ?? []) {
  own.addEventListener("submit", (event) => {
    const isSaved = event.submitter?.value === "describe";
    const isLost = [...album.querySelectorAll("input[type=text]")].some(
      (field) => field.value !== field.defaultValue && !(isSaved && field.form === own),
    );
    const question = "You typed a description that is not saved yet. Go on without it?";
    if (isLost && !confirm(question)) event.preventDefault();
  });
}

async function saveOrder() {
  const data = new FormData();
  data.set("csrfmiddlewaretoken", album.querySelector("[name=csrfmiddlewaretoken]").value);
  data.set("action", "order");
  for (const item of album.children) data.append("photo", item.dataset.photo);
  const response = await fetch(album.dataset.order, { method: "POST", body: data });
  // The page then shows the order as it is.
  if (!response.ok || response.redirected) throw new Error("not ordered");
}

let dragged = null;

for (const item of album?.querySelectorAll("[data-movable]") ?? []) {
  item.draggable = true;
  item.addEventListener("dragstart", (event) => {
    // Browsers drag a picture by itself; text in a field is none of ours.
    if (event.target !== item && event.target.tagName !== "IMG") return;
    dragged = item;
    item.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
  });
  item.addEventListener("dragover", (event) => {
    if (!dragged) return;
    event.preventDefault();
    if (dragged === item) return;
    const box = item.getBoundingClientRect();
    const isBelow = event.clientY > box.top + box.height / 2;
    album.insertBefore(dragged, isBelow ? item.nextSibling : item);
  });
  item.addEventListener("drop", (event) => event.preventDefault());
  item.addEventListener("dragend", () => {
    if (!dragged) return;
    dragged.classList.remove("dragged");
    dragged = null;
    saveOrder().then(
      () => location.replace(location.pathname),
      () => location.replace(location.pathname),
    );
  });
}

// Looks whether photos have been converted, and leaves alone what is being typed.
async function lookAgain() {
  const response = await fetch(location.href);
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const fresh of page.querySelectorAll("[data-photo]")) {
    const shown = document.getElementById(fresh.id)?.querySelector(".shown");
    const now = fresh.querySelector(".shown");
    if (shown && shown.textContent.trim() !== now.textContent.trim()) shown.replaceWith(now);
  }
  if (page.querySelector("[data-waiting]")) setTimeout(lookAgain, LOOK_AGAIN_MS);
}

if (album?.hasAttribute("data-waiting")) setTimeout(lookAgain, LOOK_AGAIN_MS);
