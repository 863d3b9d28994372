// One connection to one session: offer, media, the data channel and its sign of life. It never retries.
//
// Events (CustomEvent.detail): "opened" the server's answer, "picture" the first one, "told" what the server
// tells, "stats" {fps, server_ms, way_ms, browser_ms, latency_ms, skew_ms, lost}, "lost" {message}.

import * as api from "./api.js";
import { Hush } from "./hush.js";
import { Lipsync } from "./lipsync.js";
import { Traffic } from "./traffic.js";

const PING_MS = 2000;
const MEASURE_MS = 500;
const SILENCE_MS = 4500; // the server tells something twice a second
const CONNECT_MS = 12000;

// How long a receiver keeps what comes, at least.
export function letWait(receiver, wait_ms) {
  if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = wait_ms;
  else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = wait_ms / 1000;
}

export function receiveInto(video, stream, event) {
  stream.addTrack(event.track);
  if (video.srcObject !== stream) video.srcObject = stream;
}

export class Connection extends EventTarget {
  constructor(video, iceServers) {
    super();
    this.video = video;
    this.stream = new MediaStream();
    this.session = null;
    this.closed = false;
    this.heard = 0;
    this.server = null;
    this.timers = [];
    this.traffic = new Traffic();
    this.hush = new Hush(this.stream);
    this.lipsync = new Lipsync();
    this.pc = new RTCPeerConnection({ iceServers });
  }

  tell(name, detail) {
    if (!this.closed) this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // Errors: what the server refused.
  async open(wish, track) {
    const pc = this.pc;
    // The microphone's place is kept open, so that it can come and go without a new negotiation.
    this.voiceOut = pc.addTransceiver("audio", { direction: "sendrecv" });
    pc.addTransceiver("video", { direction: "recvonly" });
    this.listen(pc.createDataChannel("control"));
    pc.ontrack = (event) => {
      this.letWait(this.lipsync.waits);
      receiveInto(this.video, this.stream, event);
      this.video.play().catch((error) => this.tell("silent", { name: error.name }));
    };
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === "failed") this.lose("The connection to the face was lost.");
    };
    await pc.setLocalDescription();
    // Sent at once: the server answers without our candidates and learns them from the first packet.
    const answer = await api.openSession({ ...wish, sdp: pc.localDescription.sdp, type: "offer" });
    if (this.closed) return void api.closeSession(answer.id).catch(() => {});
    this.session = answer.id;
    this.tell("opened", answer);
    await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    if (track) await this.send(track);
    this.video.requestVideoFrameCallback(() => {
      clearTimeout(this.giveUp);
      this.tell("picture", {});
    });
    this.giveUp = setTimeout(() => this.lose(
      "The picture cannot reach this browser: a firewall may block UDP between here and the server. A TURN" +
        " server (serve --ice-server) gets around that.", true), CONNECT_MS);
    this.timers = [
      setInterval(() => this.ping(), PING_MS),
      setInterval(() => this.measure(), MEASURE_MS),
    ];
  }

  send(track) {
    return this.voiceOut.sender.replaceTrack(track);
  }

  listen(channel) {
    this.channel = channel;
    channel.onopen = () => {
      this.heard = performance.now();
      this.ping();
    };
    channel.onmessage = (message) => {
      this.heard = performance.now();
      const told = JSON.parse(message.data);
      if (told.type === "stats") this.server = told;
      if (told.type === "speaking_finished" && told.interrupted) this.hush.begin();
      this.tell("told", told);
    };
  }

  ping() {
    if (this.channel?.readyState === "open")
      this.channel.send(JSON.stringify({ type: "ping", t: Math.round(performance.now()) }));
  }

  async measure() {
    if (this.heard && performance.now() - this.heard > SILENCE_MS)
      return this.lose("The server has fallen silent.");
    const measured = this.traffic.read(await this.pc.getStats());
    if (!measured || this.closed) return;
    this.hush.waits_ms = measured.sound_ms;
    this.letWait(this.lipsync.update(measured));
    const server_ms = this.server?.latency_p50_ms || 0;
    const latency_ms = server_ms + measured.way_ms + measured.browser_ms;
    const skew_ms = measured.skew_ms ?? this.server?.skew_ms ?? null;
    this.tell("stats", { ...measured, server_ms, latency_ms, skew_ms });
  }

  letWait(waits) {
    for (const receiver of this.pc.getReceivers()) letWait(receiver, waits[receiver.track.kind]);
  }

  // `final`: trying again would not help.
  lose(message, final = false) {
    this.tell("lost", { message, final });
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    this.timers.forEach(clearInterval);
    clearTimeout(this.giveUp);
    this.pc.close();
    if (this.session) api.closeSession(this.session).catch(() => {});
    this.session = null;
  }
}
