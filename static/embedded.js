// In a page inside a frame: tells the website around it how high the page is. See embed.js, which
// that website has.

const allowed = (document.documentElement.dataset.framedBy ?? "").split(" ");
let told = null;
let last = 0;

const tell = () => {
  const height = Math.ceil(document.body.getBoundingClientRect().height);
  if (height === last) return;
  last = height;
  window.parent.postMessage({ type: "bookingsite:height", height }, told);
};

window.addEventListener("message", (event) => {
  if (event.source !== window.parent || !allowed.includes(event.origin)) return;
  if (event.data?.type !== "bookingsite:hello" || told !== null) return;
  told = event.origin;
  new ResizeObserver(tell).observe(document.body);
  tell();
});
