// Where the sections are a line that scrolls, the open one is in sight.

for (const here of document.querySelectorAll(".sections .here, .sections li li:has([aria-current])")) {
  const line = here.parentElement;
  const [own, around] = [here.getBoundingClientRect(), line.getBoundingClientRect()];
  if (own.left < around.left || own.right > around.right) {
    line.scrollLeft += own.left - around.left - (around.width - own.width) / 2;
  }
}
