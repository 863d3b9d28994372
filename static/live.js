// The live face: one connection after another, the microphone, and what it was told to be like.
//
// Events (CustomEvent.detail): "state" {state}, "waiting" {why, wait_ms}, "problem" {message}, "told" {type, ...}
// as the server tells, "opened", "picture", "stats", "microphone" {on, open}. States: off, connecting,
// reconnecting, idle, speaking. Settings live in `wish`, so a new connection is like the one before.

import * as api from "./api.js";
import { Connection } from "./connection.js";
import { Microphone } from "./microphone.js";

const WAITS_MS = [400, 800, 1500, 3000, 6000, 10000];

export class Live extends EventTarget {
  constructor(video) {
    super();
    this.video = video;
    this.state = "off";
    this.connection = null;
    this.iceServers = [];
    this.persistent = false; // keeps trying even if it never was on the air
    this.wish = { portrait: undefined, mode: "assistant", controls: {}, voice_interrupt: "stop" };
    this.microphone = new Microphone();
    this.microphone.addEventListener("change", () => this.passMicrophone());
    this.replacePortrait = async () => undefined;
    this.tries = 0;
    this.wasOn = false;
    addEventListener("online", () => this.state === "reconnecting" && this.connect());
  }

  get session() {
    return this.connection?.session ?? null;
  }

  get isOn() {
    return this.state === "idle" || this.state === "speaking";
  }

  tell(name, detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.tell("state", { state });
  }

  start() {
    if (this.state !== "off") return;
    this.tries = 0;
    this.wasOn = false;
    this.connect();
  }

  // The same face anew: another portrait or background.
  async restart() {
    if (this.state === "off") return;
    const session = this.session;
    if (session) {
      this.connection.session = null;
      await api.closeSession(session).catch(() => {});
    }
    this.tries = 0;
    this.connect();
  }

  stop() {
    this.wasOn = false;
    this.microphone.close();
    this.drop();
    this.setState("off");
  }

  drop() {
    clearTimeout(this.timer);
    const connection = this.connection;
    this.connection = null;
    connection?.close();
    this.video.srcObject = null;
  }

  async connect() {
    this.drop();
    this.setState(this.wasOn || this.tries ? "reconnecting" : "connecting");
    const connection = (this.connection = new Connection(this.video, this.iceServers));
    const mine = (listener) => ({ detail }) => connection === this.connection && listener(detail);
    connection.addEventListener("opened", mine((answer) => this.tell("opened", answer)));
    connection.addEventListener("picture", mine(() => this.arrived()));
    connection.addEventListener("told", mine((told) => this.hear(told)));
    connection.addEventListener("stats", mine((stats) => this.tell("stats", stats)));
    connection.addEventListener("silent", mine((why) => this.tell("silent", why)));
    connection.addEventListener("lost", mine((why) => this.fail(new Error(why.message), why.final)));
    this.startedAt = performance.now();
    try {
      await connection.open(this.wish, this.microphone.track);
    } catch (error) {
      if (connection === this.connection) await this.refused(error);
    }
  }

  arrived() {
    this.tries = 0;
    this.wasOn = true;
    this.setState("idle");
    this.tell("picture", { after_ms: performance.now() - this.startedAt });
  }

  hear(told) {
    if (told.type === "stats" && this.isOn) this.setState(told.speaking ? "speaking" : "idle");
    if (told.type === "speaking_started" && this.isOn) this.setState("speaking");
    if (told.type === "speaking_finished" && this.isOn) this.setState("idle");
    if (told.type === "error") this.tell("problem", told);
    if (told.type === "ended") return this.fail(new Error(`The face went off the air: ${told.reason}.`));
    if (told.type === "closed") return this.checkClosed();
    this.tell("told", told);
  }

  // Somebody ended the session: a person through the interface, or a server that is shutting down.
  async checkClosed() {
    const connection = this.connection;
    connection.session = null;
    const age_s = (performance.now() - this.startedAt) / 1000;
    await new Promise((done) => setTimeout(done, 600));
    const health = await api.health().catch(() => null);
    if (connection !== this.connection) return;
    if (health && health.uptime_s > age_s) this.fail(new Error("The session was ended on the server."), true);
    else this.fail(new Error("The server is restarting."));
  }

  async refused(error) {
    if (error.kind === "unknown_portrait") {
      const connection = this.connection;
      const known = await this.replacePortrait(this.wish.portrait).catch(() => undefined);
      if (connection !== this.connection) return;
      if (known) {
        this.wish.portrait = known;
        return void this.connect();
      }
    }
    this.fail(error, error.status === 422 || error.status === 403 || error.status === 404);
  }

  // Tries again, later and later, if it was on the air (or has nobody to press Start).
  fail(error, final = false) {
    this.drop();
    if (final || !(this.wasOn || this.persistent)) {
      this.stop();
      this.tell("problem", { message: error.message });
      return;
    }
    const wait_ms = WAITS_MS[Math.min(this.tries, WAITS_MS.length - 1)] * (0.8 + 0.4 * Math.random());
    this.tries += 1;
    this.setState("reconnecting");
    this.tell("waiting", { why: error.message, wait_ms });
    this.timer = setTimeout(() => this.connect(), wait_ms);
  }

  async setMode(mode) {
    this.wish.mode = mode;
    if (this.session) await api.setMode(this.session, mode);
  }

  async setVoiceInterrupt(value) {
    this.wish.voice_interrupt = value;
    if (this.session) await api.setVoiceInterrupt(this.session, value);
  }

  async setControls(values) {
    this.wish.controls = values;
    if (this.session) await api.setControls(this.session, values);
  }

  passMicrophone() {
    const { track, isOpen, isHeard } = this.microphone;
    this.connection?.voiceOut?.sender.replaceTrack(track).catch(() => {});
    this.tell("microphone", { on: isOpen, heard: isHeard });
  }

  leave() {
    if (this.session) api.leave(this.session);
  }
}
