// Watches a running session over WHEP, and again whenever it ends or the connection fails.

import * as api from "./api.js";
import { letWait, receiveInto } from "./connection.js";

const AGAIN_MS = 2000;
const WAIT_MS = 100; // who only watches is in no hurry; the same for both keeps sound and picture together

export class Watcher extends EventTarget {
  constructor(video, iceServers) {
    super();
    this.video = video;
    this.iceServers = iceServers;
    addEventListener("pagehide", () => this.place && api.leaveViewer(this.place));
  }

  // Errors: `Refusal` (404 while there is no such session).
  async join(session) {
    const pc = new RTCPeerConnection({ iceServers: this.iceServers });
    try {
      const stream = new MediaStream();
      pc.addTransceiver("audio", { direction: "recvonly" });
      pc.addTransceiver("video", { direction: "recvonly" });
      pc.ontrack = (event) => {
        letWait(event.receiver, WAIT_MS);
        receiveInto(this.video, stream, event);
        this.video.play().catch(() => this.dispatchEvent(new Event("silent")));
      };
      await pc.setLocalDescription();
      const { sdp, place } = await api.watchSession(session, pc.localDescription.sdp);
      this.place = place;
      await pc.setRemoteDescription({ type: "answer", sdp });
    } catch (error) {
      pc.close();
      throw error;
    }
    this.dispatchEvent(new Event("joined"));
    await new Promise((ended) => {
      pc.onconnectionstatechange = () => {
        if (["failed", "closed", "disconnected"].includes(pc.connectionState)) ended();
      };
    });
    if (this.place) api.leaveViewer(this.place);
    this.place = null;
    pc.close();
    this.video.srcObject = null;
    this.dispatchEvent(new Event("left"));
  }

  // Returns only when `otherwise` says, on "no such session", that it takes over.
  async watch(session, otherwise = () => false) {
    for (;;) {
      try {
        await this.join(session);
      } catch (error) {
        if (error.status === 404 && otherwise()) return;
        this.dispatchEvent(new CustomEvent("waiting", { detail: { message: error.message } }));
      }
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}
