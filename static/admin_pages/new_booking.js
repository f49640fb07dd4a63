// The form for a new booking: shows what is free and what it costs as soon as the wish changes, and
// sends the form in the background, so that what was typed is not lost with the connection. Pressing
// again sends the same key, so that it books once. Without this script the buttons load the page.

import { LOST, refusalIn, sayLoggedOut, sendForm } from "./asking.js";
import { wasChanged } from "./changed.js";
import { offerGuests } from "./guest_choice.js";

const ASKED = ["hotel", "check_in", "nights", "check_out", "guests", "room", "category", "rooms"];
const DAY_MS = 24 * 60 * 60 * 1000;

// The newest look at what is free.
let latest = 0;
let isSending = false;

const theForm = () => document.querySelector("form[data-new-booking]");

function start() {
  const form = theForm();
  if (!form) return;
  form.querySelector("[name=show]").hidden = true;
  countNights(form);
  offerGuests(form);
  const isLate = [...form.elements].some((field) => ASKED.includes(field.name) && wasChanged(field));
  if (isLate) refreshIfPossible(form);
}

// --- Nights and days ---

const dayOf = (field) => (field.value ? field.valueAsNumber / DAY_MS : NaN);

function countNights({ elements: { check_in, check_out, nights } }) {
  const count = dayOf(check_out) - dayOf(check_in);
  if (count > 0) nights.value = count;
  else if (check_out.value) nights.value = "";
}

function endAfterNights({ elements: { check_in, check_out, nights } }) {
  const end = dayOf(check_in) + Number(nights.value);
  if (end > dayOf(check_in)) check_out.valueAsNumber = end * DAY_MS;
}

// --- What is free, and what it costs ---

async function refresh(form) {
  const number = ++latest;
  const data = new FormData(form);
  data.set("show", "1");
  const response = await fetch(location.href, { method: "POST", body: data });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (number !== latest || form !== theForm() || !page.querySelector("[data-new-booking]")) return;
  for (const name of ["room", "category"]) {
    const list = form.elements[name];
    const fresh = page.getElementById(list.id);
    const chosen = list.value;
    list.replaceChildren(...fresh.children);
    list.value = chosen;
  }
  for (const name of ["quoted", "currency"]) {
    form.elements[name].value = page.getElementById(form.elements[name].id).value;
  }
  for (const id of ["offered", "price", "id_price_helptext"]) {
    const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
    if (old && fresh) old.replaceChildren(...fresh.childNodes);
  }
}

// If this fails, the next change asks again, and the price is judged when the form is sent.
const refreshIfPossible = (form) => refresh(form).catch(() => {});

document.addEventListener("change", (event) => {
  const form = event.target.form;
  const { name, value } = event.target;
  if (!form?.matches("[data-new-booking]") || !ASKED.includes(name)) return;
  if (name === "nights" || (name === "check_in" && form.elements.nights.value)) {
    endAfterNights(form);
  }
  if (name === "check_out") countNights(form);
  // A stay is of one or the other.
  if (name === "room" && value) form.elements.category.value = "";
  if (name === "category" && value) form.elements.room.value = "";
  refreshIfPossible(form);
});

// --- Sending ---

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-new-booking]")) return;
  event.preventDefault();
  if (!isSending) send(event.target);
});

async function send(form) {
  isSending = true;
  latest += 1;
  const place = form.querySelector(".lost");
  place.replaceChildren();
  const answer = await sendForm(form, null, { Accept: "application/json" });
  isSending = false;
  if (!answer) place.textContent = `${LOST}.`;
  else if (answer.isLogin) sayLoggedOut(place, { typed: true });
  else if (answer.location) location.assign(answer.location);
  else if (answer.page?.querySelector("[data-new-booking]")) showFaults(answer.page);
  else place.textContent = refusalIn(answer);
}

function showFaults(page) {
  document.title = page.title;
  document.getElementById("content-main").replaceWith(page.getElementById("content-main"));
  start();
  const fault = document.querySelector("#content-main .errornote");
  if (fault) {
    fault.tabIndex = -1;
    fault.focus();
  }
}

start();
