// The texts of the /how-it-works scripts. The page holds them by code, so that they are translated.

const texts = new Map();
learn(document.getElementById("texts"));

export function learn(template) {
  for (const line of template.content.querySelectorAll("p")) texts.set(line.id, line.textContent);
}

export function has(code) {
  return texts.has(code);
}

// The text, with its {…} filled in.
export function say(code, facts = {}) {
  return texts.get(code).replace(/\{(\w)\}/g, (hole, name) => facts[name] ?? hole);
}

// The same for a number, with a separate text for one.
export function sayCount(code, number, facts) {
  return say(number === 1 && has(`${code}.one`) ? `${code}.one` : code, facts);
}

// The answer to a client, in words.
export function sayStatus(status, code, replayed) {
  if (code && !has(`status.${code}`)) return `${status} ${code}`;
  const text = say(`status.${code || (status === 200 ? "confirmed" : "new")}`);
  return replayed ? say("status.replay", { s: text }) : text;
}

// Makes an element. Classes are the only way to style it here.
export function make(name, attributes = {}, ...children) {
  const isDrawn = ["svg", "g", "line", "path", "text", "rect", "circle"].includes(name);
  const element = isDrawn
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
}
