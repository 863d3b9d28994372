// The page: wires buttons, lists and keys to the live face. What each part does is in its own module.

import * as api from "./api.js";
import { Captions } from "./captions.js";
import { Controls } from "./controls.js";
import { Devices } from "./devices.js";
import { Gallery } from "./gallery.js";
import { clearStats, showStats } from "./gauges.js";
import { listenToKeys } from "./keys.js";
import { Live } from "./live.js";
import { recall, remember } from "./memory.js";
import { meter } from "./meter.js";
import { enterObs, runObs } from "./obs.js";
import { Recorder } from "./recorder.js";
import { attempt, toast } from "./toasts.js";
import { Writing } from "./writing.js";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const isObs = query.has("obs");

const live = new Live($("video"));
const gallery = new Gallery({ list: $("portraits"), file: $("file"), drop: $("drop"), advice: $("advice") });
const controls = new Controls({ moods: $("mood"), moodSection: $("mood-section"), reset: $("reset") });
const captions = new Captions($("caption"));
const recorder = new Recorder();
const microphone = live.microphone;
const devices = new Devices({
  microphone: $("microphone"), speaker: $("speaker"), speakerField: $("speaker-field"), video: $("video"),
  onMicrophone: (id) => microphone.choose(id),
});
const writing = new Writing({
  form: $("composer"), text: $("text"), voice: $("voice"), verb: $("verb"), button: $("speak"), live,
});
let offers = { assistant: false, hears: false };
let serverIsNew = false;
let askingWhy = 0;
window.sonicStream = { live, gallery }; // for scripts that drive the page

// -- words -------------------------------------------------------------------------------------------------

const STATES = {
  off: "Off", connecting: "Connecting", reconnecting: "Reconnecting", idle: "Ready", speaking: "Speaking",
};
const isTouch = matchMedia("(pointer: coarse)").matches;

function hint() {
  const streamer = live.wish.mode === "streamer";
  if (live.state === "connecting" && serverIsNew)
    return "The server has just been started and gets ready. The very first start takes up to a minute.";
  if (live.state === "connecting" || live.state === "reconnecting") return "";
  if (!live.isOn)
    return streamer
      ? "Choose a portrait and press Start: your own voice will move its lips."
      : "Choose a portrait and press Start. Then type, or talk.";
  if (streamer) {
    if (!microphone.isOpen) return "Turn on the microphone, and the face speaks with your voice.";
    return "Your voice drives the face. Wear headphones, so that it does not hear itself.";
  }
  if (microphone.isOpen) {
    if (offers.hears && offers.assistant) return "It listens: ask something, and talk over it whenever you like.";
    return { stop: "Talk, and it stops speaking.", resume: "Talk, and it stops; it can go on later.", off: "" }[
      live.wish.voice_interrupt
    ];
  }
  return isTouch ? "Type and press Speak." : "Enter speaks, Esc interrupts, M is the microphone.";
}

function draw() {
  const { state } = live;
  document.body.dataset.state = state;
  document.body.dataset.mode = live.wish.mode;
  const heard = live.isOn && live.wish.mode === "assistant" && microphone.isHeard;
  const words = state === "idle" && attention ? attention : state === "idle" && heard ? "Listening" : STATES[state];
  $("badge-state").querySelector("b").textContent = words;
  $("hush").disabled = state !== "speaking";
  for (const id of ["record", "pip"]) $(id).disabled = !live.isOn;
  writing.isReady = state !== "connecting" && state !== "reconnecting";
  $("hint").textContent = hint();
  for (const button of $("modes").children) {
    const on = button.dataset.mode === live.wish.mode;
    button.setAttribute("aria-checked", String(on));
    button.tabIndex = on ? 0 : -1;
  }
  const open = microphone.isOpen;
  for (const id of ["mic", "voice-on"]) $(id).setAttribute("aria-pressed", String(open));
  $("mic").classList.toggle("resting", open && !microphone.isHeard);
  $("voice-on").textContent = open ? "Turn off" : "Turn on the microphone";
  $("talk").textContent = !open ? "Off" : microphone.isHeard ? "Live" : isTouch ? "Hold to talk" : "Hold Space";
  $("voicebar").classList.toggle("heard", microphone.isHeard);
  $("barge-field").hidden = live.wish.mode === "streamer";
}

// -- the face ------------------------------------------------------------------------------------------------

let attention = "";

async function start() {
  if (live.state !== "off") return;
  live.start();
  if (live.wish.mode === "streamer" && !microphone.isOpen) await attempt(() => microphone.open());
}
const stop = () => live.stop();
const toggleMicrophone = () => (microphone.isOpen ? microphone.close() : attempt(() => microphone.open()));

async function hush() {
  if (!live.session) return;
  const answer = await attempt(() => api.interrupt(live.session, true));
  captions.clear();
  if (answer) $("resume").hidden = !answer.kept;
}

// Why connecting takes long: a server that loads, or reads its first portrait.
async function askWhyItTakes() {
  const health = await api.health().catch((error) => ({ uptime_s: error.status === 503 ? 0 : Infinity }));
  serverIsNew = health.uptime_s < 120;
  draw();
}

live.addEventListener("state", ({ detail }) => {
  clearTimeout(askingWhy);
  if (detail.state === "connecting") askingWhy = setTimeout(askWhyItTakes, 1500);
  if (!live.isOn) {
    $("frame").classList.remove("live");
    captions.clear();
    clearStats();
    recorder.stop();
    attention = "";
    $("resume").hidden = true;
    if (detail.state === "off") {
      $("program").textContent = "Start the face to see its address.";
      $("waiting-why").textContent = "";
      if (document.pictureInPictureElement) document.exitPictureInPicture().catch(() => {});
    }
  }
  draw();
});
live.addEventListener("waiting", ({ detail }) => ($("waiting-why").textContent = detail.why));
live.addEventListener("picture", () => {
  $("frame").classList.add("live");
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  $("program").textContent = `${scheme}://${location.host}/api/sessions/${live.session}/audio`;
});
live.addEventListener("problem", ({ detail }) => toast(detail.message));
live.addEventListener("stats", ({ detail }) => showStats(detail));
live.addEventListener("told", ({ detail }) => {
  captions.hear(detail);
  if (detail.type === "attention") {
    attention = { thinking: "Thinking", listening: "Listening" }[detail.state] || "";
    draw();
  }
  if (detail.type === "interrupted") $("resume").hidden = !detail.resumable;
  if (detail.type === "speaking_started") $("resume").hidden = true;
});
live.addEventListener("silent", ({ detail }) => {
  if (detail.name !== "NotAllowedError" || isObs) return;
  $("video").muted = true;
  $("video").play().catch(() => {});
  drawMute();
  toast("This browser wants a click before it makes a sound.", {
    bad: false, label: "Sound on", action: mute,
  });
});
live.replacePortrait = (id) => gallery.restore(id);

$("start").onclick = start;
$("stop").onclick = $("give-up").onclick = stop;
$("hush").onclick = hush;
$("resume").onclick = () => {
  $("resume").hidden = true;
  attempt(() => api.resume(live.session));
};

// -- the microphone ------------------------------------------------------------------------------------------

let stopMeter = null;
let metered = null;
live.addEventListener("microphone", () => {
  if (microphone.stream !== metered) {
    stopMeter?.();
    metered = microphone.stream;
    stopMeter = metered ? meter(metered, showLevel) : null;
    if (metered) devices.refresh(); // now the browser tells their names
  }
  draw();
});
function showLevel(level) {
  document.body.style.setProperty("--level", level.toFixed(3));
  $("level").setAttribute("aria-valuenow", String(Math.round(level * 100)));
}
$("mic").onclick = $("voice-on").onclick = toggleMicrophone;
$("ptt").onchange = () => {
  remember("ptt", $("ptt").checked);
  microphone.setPushToTalk($("ptt").checked);
};
for (const name of ["pointerdown", "pointerup", "pointerleave"])
  $("talk").addEventListener(name, () => microphone.hold(name === "pointerdown"));
$("voice_interrupt").onchange = () => {
  remember("voice_interrupt", $("voice_interrupt").value);
  attempt(() => live.setVoiceInterrupt($("voice_interrupt").value)).then(draw);
};

async function setMode(mode) {
  if (mode === live.wish.mode) return;
  remember("mode", mode);
  const told = attempt(() => live.setMode(mode));
  draw();
  await told;
  if (mode === "streamer" && live.isOn && !microphone.isOpen) await attempt(() => microphone.open());
}
for (const button of $("modes").children) button.onclick = () => setMode(button.dataset.mode);
$("modes").addEventListener("keydown", (event) => {
  if (!/^Arrow/.test(event.key)) return;
  event.preventDefault();
  const other = live.wish.mode === "assistant" ? "streamer" : "assistant";
  setMode(other);
  $("modes").querySelector(`[data-mode="${other}"]`).focus();
});

// -- looks, sound here, files ----------------------------------------------------------------------------------

controls.addEventListener("change", () => attempt(() => live.setControls({ ...controls.values })));

function drawMute() {
  $("mute").setAttribute("aria-pressed", String($("video").muted));
}
function mute() {
  $("video").muted = !$("video").muted;
  drawMute();
}
$("mute").onclick = mute;

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if ($("frame").requestFullscreen) $("frame").requestFullscreen().catch(() => {});
  else $("video").webkitEnterFullscreen?.(); // iPhone
}
$("full").onclick = fullScreen;

function pictureInPicture() {
  if (!live.isOn || !document.pictureInPictureEnabled) return;
  if (document.pictureInPictureElement) document.exitPictureInPicture().catch(() => {});
  else attempt(() => $("video").requestPictureInPicture());
}
$("pip").hidden = !document.pictureInPictureEnabled;
$("pip").onclick = pictureInPicture;
for (const name of ["enterpictureinpicture", "leavepictureinpicture"])
  $("video").addEventListener(name, () => $("pip").setAttribute("aria-pressed", String(name[0] === "e")));

let clock = 0;
function record() {
  if (recorder.isOn) recorder.stop();
  else if (live.isOn) attempt(() => recorder.start(live.connection.stream));
}
recorder.addEventListener("start", () => {
  const show = () => {
    const passed = recorder.seconds;
    $("recording").querySelector("span").textContent =
      `${Math.floor(passed / 60)}:${String(passed % 60).padStart(2, "0")}`;
  };
  show();
  clock = setInterval(show, 500);
  $("recording").hidden = false;
  $("record").setAttribute("aria-pressed", "true");
});
recorder.addEventListener("stop", () => {
  clearInterval(clock);
  $("recording").hidden = true;
  $("record").setAttribute("aria-pressed", "false");
  toast("The recording is in your downloads.", { bad: false });
});
$("record").hidden = !Recorder.isPossible;
$("record").onclick = record;

function showCaptions(on) {
  $("captions").checked = on;
  document.body.classList.toggle("no-captions", !on);
  remember("captions", on);
}
$("captions").onchange = () => showCaptions($("captions").checked);

// The system's choice unless another was made here.
function theme(choice) {
  if (choice) document.documentElement.dataset.theme = choice;
  remember("theme", choice);
}
$("theme").onclick = () => {
  const now = document.documentElement.dataset.theme;
  const dark = now ? now === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  theme(dark ? "light" : "dark");
};

for (const button of document.querySelectorAll("[data-copy]"))
  button.onclick = async () => {
    await navigator.clipboard?.writeText($(button.dataset.copy).textContent).catch(() => {});
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  };

$("backdrop").onchange = () => {
  remember("backdrop", $("backdrop").value);
  live.wish.backdrop = $("backdrop").value || undefined;
  live.restart();
};

// -- portraits -------------------------------------------------------------------------------------------------

gallery.addEventListener("problem", ({ detail }) => toast(detail.message));
gallery.addEventListener("choose", ({ detail }) => {
  live.wish.portrait = detail.id;
  if (detail.bundled && !isObs) remember("portrait", detail.id);
  const still = $("still");
  still.hidden = false;
  still.src = detail.thumbnail;
  // A portrait that is new to the server takes a second to be read.
  const framed = new Image();
  framed.src = `/api/portraits/${detail.id}/image`;
  framed.onload = () => {
    if (gallery.chosen === detail.id) still.src = framed.src;
  };
  live.restart(); // another face is a new session, with everything else as it is
});

// -- keys, life, beginning ---------------------------------------------------------------------------------------

listenToKeys(
  {
    Escape: hush, s: () => (live.state === "off" ? start() : stop()), m: toggleMicrophone, u: mute, r: record,
    p: pictureInPicture, f: fullScreen, c: () => showCaptions(!$("captions").checked), "/": () => $("text").focus(),
    ...Object.fromEntries([1, 2, 3, 4, 5, 6].map((n) => [String(n), () => controls.pickMood(n)])),
  },
  () => microphone.isOpen && microphone.pushToTalk,
  (on) => microphone.hold(on),
);
addEventListener("pagehide", () => live.leave());
// Back from the browser's cache: the session was left when the page was hidden.
addEventListener("pageshow", (event) => event.persisted && live.stop());

async function readOffers() {
  const config = await api.config();
  offers = config;
  live.iceServers = config.ice_servers;
  live.offersBackdrop = Boolean(config.backdrop);
  $("backdrop-field").hidden = !config.backdrop;
  if (config.backdrop) live.wish.backdrop = (!isObs && recall("backdrop", "")) || undefined;
  $("backdrop").value = live.wish.backdrop ?? "";
  controls.offer(config.controls, config.painting_steps);
  live.wish.controls = { ...controls.values };
  writing.offerChat(config.assistant, config.text_limit);
}

// A server that was still loading when the page asked did not know its painting steps.
live.addEventListener("opened", ({ detail }) => {
  if (detail.painting_steps === offers.painting_steps) return;
  offers.painting_steps = detail.painting_steps;
  controls.offer(offers.controls, offers.painting_steps);
});

async function begin() {
  if (isObs) enterObs(query);
  theme(recall("theme", ""));
  showCaptions(recall("captions", true));
  $("ptt").checked = recall("ptt", false);
  microphone.pushToTalk = $("ptt").checked;
  microphone.deviceId = recall("microphone", "");
  live.wish.voice_interrupt = $("voice_interrupt").value = recall("voice_interrupt", "stop");
  if (!isObs) live.wish.mode = recall("mode", "assistant");
  $("obs-link").textContent = `${location.origin}/?obs&session=current`;
  draw();
  devices.refresh();
  await Promise.all([
    attempt(readOffers),
    attempt(() => gallery.load(query.get("portrait") ?? recall("portrait"))),
    attempt(() => writing.loadVoices()),
  ]);
  draw();
  if (isObs) runObs(query, live);
}

begin();
