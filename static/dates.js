// Keeps the departure after the arrival, with the same number of nights.

const DAY_MS = 24 * 60 * 60 * 1000;

for (const form of document.querySelectorAll("form[data-dates]")) {
  const arrival = form.elements.namedItem("arrival");
  const departure = form.elements.namedItem("departure");
  let before = arrival.valueAsNumber;
  arrival.addEventListener("change", () => {
    const now = arrival.valueAsNumber;
    if (Number.isNaN(now)) return;
    if (departure.valueAsNumber <= now) {
      const length = Math.max(departure.valueAsNumber - before || 0, DAY_MS);
      departure.valueAsNumber = now + length;
    }
    departure.min = new Date(now + DAY_MS).toISOString().slice(0, 10);
    before = now;
  });
}
