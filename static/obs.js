// `?obs`: picture and sound alone, for a browser source. Without a name it watches the session that is on the
// air and opens its own if there is none; `session=ID` (or `current`) only ever watches.

import { colourOf, showKeyed } from "./chroma.js";
import { Watcher } from "./watch.js";

export function enterObs(query) {
  document.body.classList.add("obs");
  const ground = query.get("bg") ?? query.get("ground");
  const colour = colourOf(ground);
  if (ground === "transparent") document.body.style.setProperty("--obs", "transparent");
  else if (colour) document.body.style.setProperty("--obs", `rgb(${colour})`);
}

export async function runObs(query, live) {
  const key = colourOf(query.get("key"));
  if (key) {
    document.body.style.setProperty("--obs", "transparent");
    showKeyed(live.video, key);
  }
  // A drawn background is asked of the server only for a session of our own.
  const backdrop = query.get("backdrop") ?? (key ? query.get("key") : undefined);
  if (backdrop && live.offersBackdrop) live.wish.backdrop = hex(colourOf(backdrop));
  const unmute = () => {
    // An ordinary browser wants a click before it makes a sound; OBS does not.
    live.video.muted = true;
    live.video.play().catch(() => {});
    addEventListener("pointerdown", () => (live.video.muted = false), { once: true });
  };
  live.addEventListener("silent", unmute);
  const own = () => {
    live.persistent = true; // nobody is there to press Start again
    live.start();
    return true;
  };
  if (query.has("own")) return own();
  const watcher = new Watcher(live.video, live.iceServers);
  watcher.addEventListener("silent", unmute);
  watcher.addEventListener("joined", () => (document.body.dataset.state = "watching"));
  watcher.addEventListener("left", () => (document.body.dataset.state = "off"));
  await watcher.watch(query.get("session") || "current", query.has("session") ? undefined : own);
}

const hex = (colour) => colour?.map((part) => part.toString(16).padStart(2, "0")).join("");
