// For a hotel's own website, which has our pages in a frame: makes the frame as high as its page. A
// frame without this script keeps the height that its website gives it.
//
// Each side names the other by its origin, and hears no one else.

(() => {
  const site = new URL(document.currentScript.src).origin;
  const START = `${site}/embedded/`;
  const LEAST_PX = 200;
  const MOST_PX = 20000;

  // The frames that have shown a page already.
  const seen = new WeakSet();

  const isOurs = (element) => element instanceof HTMLIFrameElement && element.src.startsWith(START);

  // The page in the frame learns where to send its height. It is another page after each click.
  const greet = (frame) => frame.contentWindow?.postMessage({ type: "bookingsite:hello" }, site);

  const greetNew = (event) => {
    const frame = event.target;
    if (!isOurs(frame)) return;
    greet(frame);
    // After a click far down, the next page begins above what the guest sees.
    if (seen.has(frame) && frame.getBoundingClientRect().top < 0) frame.scrollIntoView();
    seen.add(frame);
  };

  const hear = (event) => {
    const { type, height } = event.data ?? {};
    if (event.origin !== site || type !== "bookingsite:height" || !Number.isFinite(height)) return;
    const frames = [...document.querySelectorAll("iframe")].filter(isOurs);
    const frame = frames.find((each) => each.contentWindow === event.source);
    if (frame) frame.style.height = `${Math.min(Math.max(height, LEAST_PX), MOST_PX)}px`;
  };

  window.addEventListener("message", hear);
  document.addEventListener("load", greetNew, { capture: true });
  // Those that were loaded before this script. One that is not loaded yet has a document of ours.
  for (const frame of document.querySelectorAll("iframe")) {
    if (isOurs(frame) && frame.contentDocument === null) greetNew({ target: frame });
  }
})();
