// Buttons that copy the text of the field beside them. Without this script, guests select it and
// copy it themselves.

for (const button of document.querySelectorAll("[data-copy]")) {
  const place = button.closest("li");
  const field = place.querySelector("input");
  const news = place.querySelector("[data-copy-news]");
  // Browsers offer the clipboard only to pages that came by https.
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      news.textContent = button.dataset.copied;
    } catch {
      // The guest, or a policy, does not allow it: the text is selected, ready to be copied.
      field.focus();
      field.select();
    }
  });
}
