// One live face: the connection, its sound and picture, the microphone, and what it tells.
//
// Events (CustomEvent.detail): "state" {state}, "stats" {...}, "caption" {text}, "problem" {message},
// "event" {type, ...} as the server tells them. States: off, connecting, idle, speaking.

import * as api from "./api.js";

const PING_MS = 2000;
const CONNECT_MS = 12000;
const JITTER_TARGET_MS = 100; // keeps sound and picture aligned from the third second on

export class Live extends EventTarget {
  constructor(video) {
    super();
    this.video = video;
    this.state = "off";
    this.session = null;
    this.microphone = null;
    this.times = {};
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.tell("state", { state });
  }

  async start({ portrait, controls }) {
    if (this.state !== "off") return;
    this.setState("connecting");
    this.times = { start: performance.now() };
    const pc = (this.pc = new RTCPeerConnection({ iceServers: [] }));
    try {
      this.stream = new MediaStream();
      // The microphone's place is kept open, so that it can come and go without a new negotiation.
      this.voiceOut = pc.addTransceiver("audio", { direction: "sendrecv" });
      pc.addTransceiver("video", { direction: "recvonly" });
      this.openChannel(pc.createDataChannel("control"));
      pc.ontrack = (event) => this.receive(event);
      pc.onconnectionstatechange = () => this.watch(pc);
      await pc.setLocalDescription();
      // Sent at once: the server answers without our candidates and learns them from the first packet.
      const answer = await api.openSession({
        sdp: pc.localDescription.sdp, type: "offer", portrait, controls,
        mode: this.microphone ? "streamer" : "assistant",
      });
      if (pc !== this.pc) return void api.closeSession(answer.id).catch(() => {});
      this.session = answer.id;
      this.tell("opened", answer);
      this.times.answer = performance.now();
      await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      if (this.microphone) await this.voiceOut.sender.replaceTrack(this.microphone.getAudioTracks()[0]);
      this.giveUp = setTimeout(() => {
        if (this.state === "connecting")
          this.end("The picture cannot reach this browser. A firewall may block UDP between here and the server.");
      }, CONNECT_MS);
      this.firstPicture();
      this.pinging = setInterval(() => this.ping(), PING_MS);
      this.measuring = setInterval(() => this.measure(), 1000);
    } catch (error) {
      if (pc === this.pc) this.end(error.message);
    }
  }

  receive(event) {
    if ("jitterBufferTarget" in event.receiver) event.receiver.jitterBufferTarget = JITTER_TARGET_MS;
    this.stream.addTrack(event.track);
    if (this.video.srcObject !== this.stream) this.video.srcObject = this.stream;
    this.video.play().catch(() => {});
  }

  firstPicture() {
    const pc = this.pc;
    this.video.requestVideoFrameCallback(() => {
      if (pc !== this.pc) return;
      this.times.picture = performance.now();
      clearTimeout(this.giveUp);
      if (this.state === "connecting") this.setState("idle");
      this.tell("picture", { after_ms: this.times.picture - this.times.start });
    });
  }

  watch(pc) {
    if (pc !== this.pc) return;
    if (pc.connectionState === "failed")
      this.end("The connection to the face was lost. Press Start to try again.");
  }

  openChannel(channel) {
    this.channel = channel;
    channel.onopen = () => this.ping();
    channel.onmessage = (message) => this.hear(JSON.parse(message.data));
  }

  ping() {
    if (this.channel?.readyState === "open")
      this.channel.send(JSON.stringify({ type: "ping", t: Math.round(performance.now()) }));
  }

  hear(told) {
    switch (told.type) {
      case "stats":
        this.server = told;
        if (this.state !== "connecting" && this.state !== "off") this.setState(told.speaking ? "speaking" : "idle");
        break;
      case "speaking_started": this.setState("speaking"); break;
      case "speaking_finished": this.setState("idle"); break;
      case "caption": this.tell("caption", told); break;
      case "error": this.tell("problem", told); break;
      case "ended": this.end(`The face went off the air: ${told.reason}.`); return;
      case "closed": this.end(); return;
    }
    this.tell("event", told);
  }

  // What arrives here, once a second: pictures, the wait in the browser's buffers, skew as it sees it.
  async measure() {
    const pc = this.pc;
    if (!pc || this.state === "connecting") return;
    const report = await pc.getStats();
    const now = {};
    report.forEach((entry) => {
      if (entry.type === "inbound-rtp") now[entry.kind] = entry;
      if (entry.type === "candidate-pair" && entry.nominated) now.pair = entry;
    });
    const before = this.before;
    this.before = now;
    if (!now.video || !before?.video || pc !== this.pc) return;
    const passed = (now.video.timestamp - before.video.timestamp) / 1000;
    const wait = (kind) => {
      const count = now[kind].jitterBufferEmittedCount - before[kind].jitterBufferEmittedCount;
      return count > 0 ? ((now[kind].jitterBufferDelay - before[kind].jitterBufferDelay) / count) * 1000 : 0;
    };
    const skew = now.audio?.estimatedPlayoutTimestamp && now.video.estimatedPlayoutTimestamp
      ? now.audio.estimatedPlayoutTimestamp - now.video.estimatedPlayoutTimestamp : null;
    const path = wait("video") + ((now.pair?.currentRoundTripTime || 0) * 1000) / 2;
    this.tell("stats", {
      fps: (now.video.framesDecoded - before.video.framesDecoded) / passed,
      browser_ms: path,
      latency_ms: (this.server?.latency_p50_ms || 0) + path,
      skew_ms: skew,
      lost: now.video.packetsLost,
      width: now.video.frameWidth,
      server: this.server,
    });
  }

  // The microphone drives the face from now on, or no longer.
  async useMicrophone(on) {
    if (on === Boolean(this.microphone)) return;
    if (on) {
      this.microphone = await openMicrophone();
      this.microphone.getAudioTracks()[0].onended = () => this.useMicrophone(false);
    }
    const track = on ? this.microphone.getAudioTracks()[0] : null;
    if (!on) {
      this.microphone.getTracks().forEach((t) => t.stop());
      this.microphone = null;
    }
    if (this.session) {
      await this.voiceOut.sender.replaceTrack(track);
      await api.setMode(this.session, on ? "streamer" : "assistant");
    }
    this.tell("microphone", { on });
  }

  end(problem) {
    if (this.state === "off") return;
    clearInterval(this.pinging);
    clearInterval(this.measuring);
    clearTimeout(this.giveUp);
    const session = this.session;
    const pc = this.pc;
    this.session = this.pc = this.channel = this.server = this.before = null;
    if (session) api.closeSession(session).catch(() => {});
    pc?.close();
    this.video.srcObject = null;
    this.setState("off");
    if (problem) this.tell("problem", { message: problem });
  }

  leave() {
    if (this.session) api.leave(this.session);
  }
}

async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia)
    throw new Error("Browsers allow the microphone only on https:// pages and on localhost.");
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  } catch (error) {
    const why = {
      NotAllowedError: "The browser was not allowed to use the microphone. Allow it in the address bar and try again.",
      NotFoundError: "No microphone was found.",
      NotReadableError: "Another program is using the microphone.",
    };
    throw new Error(why[error.name] || `The microphone could not be opened (${error.name}).`);
  }
}
