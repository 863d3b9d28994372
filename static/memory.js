// What the page remembers between visits, in this browser only. Private windows may refuse; then it forgets.

const KEY = "sonic-stream";

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) || {};
  } catch {
    return {};
  }
}

const kept = read();

export const recall = (name, otherwise) => (name in kept ? kept[name] : otherwise);

export function remember(name, value) {
  kept[name] = value;
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // No storage: it lasts as long as the page.
  }
}
