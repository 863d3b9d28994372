// The page: wires buttons, sliders and keys to the live face and the gallery.

import * as api from "./api.js";
import { Gallery } from "./gallery.js";
import { Live } from "./live.js";
import { meter } from "./meter.js";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const obs = query.has("obs");
const CONTROLS = ["dynamic_scale", "motion_scale", "inference_steps"];
const STATE_WORDS = { off: "Off", connecting: "Connecting", idle: "Listening", speaking: "Speaking" };
const HINTS = {
  off: "Choose a portrait and press Start. Then type, or speak with your microphone.",
  live: matchMedia("(pointer: coarse)").matches
    ? "Type and press Speak, or tap the microphone."
    : "Press Enter to speak, Esc to stop speaking, M for the microphone.",
  microphone: "Your voice drives the face. Wear headphones, so that it does not hear itself.",
};

const live = new Live($("video"));
const gallery = new Gallery({ list: $("portraits"), file: $("file"), drop: $("drop"), advice: $("advice") });
window.sonicStream = { live, gallery }; // for scripts that drive the page

// -- telling people --------------------------------------------------------------------------------------

function toast(message, bad = true) {
  const known = [...$("toasts").children].find((t) => t.dataset.message === message);
  known?.remove();
  const box = document.createElement("div");
  box.className = bad ? "toast bad" : "toast";
  box.dataset.message = message;
  const words = document.createElement("p");
  words.textContent = message;
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "×";
  close.setAttribute("aria-label", "Close");
  close.onclick = () => box.remove();
  box.append(words, close);
  $("toasts").append(box);
  setTimeout(() => box.remove(), 4000 + message.length * 60);
}

const attempt = async (work) => {
  try {
    return await work();
  } catch (error) {
    toast(error.message);
    return undefined;
  }
};

let captionTimer = 0;
function caption(text) {
  clearTimeout(captionTimer);
  const words = document.createElement("span");
  words.textContent = text.length > 220 ? `${text.slice(0, 217)} …` : text;
  $("caption").replaceChildren(words);
  $("caption").classList.toggle("shown", Boolean(text));
}

function showState(state) {
  document.body.dataset.state = state;
  $("badge-state").querySelector("b").textContent =
    state === "idle" && !live.microphone ? "Ready" : STATE_WORDS[state];
  const on = state === "idle" || state === "speaking";
  $("hush").disabled = state !== "speaking";
  $("speak").disabled = state === "connecting" || !$("voice").options.length;
  $("hint").textContent = live.microphone && on ? HINTS.microphone : on ? HINTS.live : HINTS.off;
  if (state === "off") {
    $("frame").classList.remove("live");
    caption("");
    $("program").textContent = "Start the face to see its address.";
  }
  if (state === "idle") captionTimer = setTimeout(() => caption(""), 1500);
}

// -- the face --------------------------------------------------------------------------------------------

const controls = () => Object.fromEntries(CONTROLS.map((name) => [name, Number($(name).value)]));
const start = () => live.start({ portrait: gallery.chosen || undefined, controls: controls() });

function waitUntilLive() {
  if (live.state === "idle" || live.state === "speaking") return Promise.resolve();
  return new Promise((resolve, reject) => {
    const check = () => {
      if (live.state === "connecting") return;
      live.removeEventListener("state", check);
      live.state === "off" ? reject(new Error("The face is off. Press Start.")) : resolve();
    };
    live.addEventListener("state", check);
    if (live.state === "off") start();
  });
}

live.addEventListener("state", ({ detail }) => showState(detail.state));
live.addEventListener("picture", () => {
  $("frame").classList.add("live");
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  $("program").textContent = `${scheme}://${location.host}/api/sessions/${live.session}/audio`;
});
live.addEventListener("problem", ({ detail }) => toast(detail.message));
live.addEventListener("caption", ({ detail }) => caption(detail.text));
live.addEventListener("stats", ({ detail }) => {
  $("badge-fps").querySelector("b").textContent = Math.round(detail.fps);
  $("badge-latency").querySelector("b").textContent = Math.round(detail.latency_ms);
  const skew = detail.skew_ms === null ? "" : `, sound and picture ${Math.round(Math.abs(detail.skew_ms))} ms apart`;
  $("badge-latency").title =
    `From sound in at the server to picture on this screen: ${Math.round(detail.server?.latency_p50_ms || 0)} ms` +
    ` there, ${Math.round(detail.browser_ms)} ms on the way and here${skew}`;
});

let stopMeter = null;
live.addEventListener("microphone", ({ detail }) => {
  $("mic").setAttribute("aria-pressed", String(detail.on));
  stopMeter?.();
  stopMeter = detail.on ? meter(live.microphone, (level) => $("mic").style.setProperty("--level", level)) : null;
  showState(live.state);
});

const toggleMicrophone = () => attempt(() => live.useMicrophone(!live.microphone));
const hush = () => live.session && attempt(() => api.interrupt(live.session)).then(() => caption(""));
const stop = () => {
  if (live.microphone) live.useMicrophone(false).catch(() => {});
  live.end();
};
function mute() {
  const muted = ($("video").muted = !$("video").muted);
  $("mute").setAttribute("aria-pressed", String(muted));
}
const fullScreen = () =>
  document.fullscreenElement ? document.exitFullscreen() : $("frame").requestFullscreen?.().catch(() => {});

$("start").onclick = start;
$("stop").onclick = stop;
$("mic").onclick = toggleMicrophone;
$("hush").onclick = hush;
$("mute").onclick = mute;
$("full").onclick = fullScreen;

// -- text ------------------------------------------------------------------------------------------------

const text = $("text");
const fit = () => {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
};
text.addEventListener("input", fit);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = text.value.trim();
  if (!words) return text.focus();
  attempt(async () => {
    await waitUntilLive();
    await api.say(live.session, { text: words, voice: $("voice").value || undefined });
    text.value = "";
    fit();
  });
});

async function loadVoices() {
  const { voices, missing } = await api.voices();
  $("voice").replaceChildren(...voices.map((voice) => new Option(voice.label, voice.id)));
  $("voice").hidden = !voices.length;
  const kept = localStorage.getItem("voice");
  if (voices.some((voice) => voice.id === kept)) $("voice").value = kept;
  if (missing) {
    text.placeholder = missing;
    text.disabled = true;
  }
  showState(live.state);
}
$("voice").onchange = () => localStorage.setItem("voice", $("voice").value);

// -- sliders ---------------------------------------------------------------------------------------------

let sending = 0;
function drawSlider(input) {
  const share = (input.value - input.min) / (input.max - input.min);
  input.style.setProperty("--fill", `${share * 100}%`);
  const digits = input.step < 1 ? (String(input.value).split(".")[1]?.length > 1 ? 2 : 1) : 0;
  $(`${input.id}-out`).textContent = Number(input.value).toFixed(digits);
}
function sendControls() {
  clearTimeout(sending);
  sending = setTimeout(() => live.session && attempt(() => api.setControls(live.session, controls())), 60);
}
for (const name of CONTROLS) {
  drawSlider($(name));
  $(name).addEventListener("input", () => {
    drawSlider($(name));
    sendControls();
  });
}
$("reset").onclick = () => {
  for (const name of CONTROLS) {
    $(name).value = $(name).defaultValue;
    drawSlider($(name));
  }
  sendControls();
};

// An engine without a painting network offers no steps to choose.
live.addEventListener("opened", ({ detail }) => ($("painting").hidden = !detail.painting_steps));

// -- portraits -------------------------------------------------------------------------------------------

let switching = false;
gallery.addEventListener("problem", ({ detail }) => toast(detail.message));
gallery.addEventListener("choose", async ({ detail }) => {
  const still = $("still");
  still.hidden = false;
  still.src = detail.thumbnail;
  // A portrait that is new to the server takes a second to be read.
  const framed = new Image();
  framed.src = `/api/portraits/${detail.id}/image`;
  framed.onload = () => {
    if (gallery.chosen === detail.id) still.src = framed.src;
  };
  if (live.state === "off" || switching) return;
  // Another face: a new session, with the microphone as it is.
  switching = true;
  const session = live.session;
  live.session = null;
  if (session) await api.closeSession(session).catch(() => {});
  live.end();
  switching = false;
  start();
});

// -- keys, life, beginning -------------------------------------------------------------------------------

addEventListener("keydown", (event) => {
  if (event.key === "Escape") return void hush();
  const typing = /^(TEXTAREA|SELECT|INPUT)$/.test(event.target.tagName);
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const action = {
    s: () => (live.state === "off" ? start() : stop()),
    m: toggleMicrophone,
    u: mute,
    f: fullScreen,
    "/": () => text.focus(),
  }[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    action();
  }
});
addEventListener("pagehide", () => live.leave());
// Back from the browser's cache: the session was left when the page was hidden.
addEventListener("pageshow", (event) => event.persisted && live.end());

async function begin() {
  if (obs) {
    document.body.classList.add("obs");
    const ground = query.get("ground");
    if (/^(transparent|[a-z]+|[0-9a-f]{3,8})$/i.test(ground || ""))
      document.body.style.setProperty("--obs", CSS.supports("color", ground) ? ground : `#${ground}`);
  }
  await Promise.all([attempt(() => gallery.load(query.get("portrait"))), attempt(loadVoices)]);
  if (obs) {
    start();
    // A browser source has nobody to press Start again.
    live.addEventListener("state", ({ detail }) => detail.state === "off" && setTimeout(start, 2000));
  }
}

showState("off");
begin();
