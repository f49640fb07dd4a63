// Suggests the browser's time zone, and shows the short name that the server will make of the name.

const zone = document.querySelector("[data-time-zone]");
if (zone && !zone.value) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...zone.options].some((option) => option.value === here)) zone.value = here;
}

const name = document.querySelector("[data-name]");
const id = document.querySelector("[data-id]");
if (name && id) {
  name.addEventListener("input", () => {
    const plain = name.value.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
    id.placeholder = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 58);
  });
}
