// Silence at once after an interruption, although old sound still waits in the browser's buffer.
//
// The server tells of an interruption on the data channel, which waits for nothing; the silence in the sound itself
// comes later by as much as the browser holds sound back. For that long the sound is off. New speech cannot be cut: it
// began after the interruption and waits as long.

const LEAST_MS = 140;
const MOST_MS = 600;
const PACKETS_MS = 40; // one on the way, and the fade

export class Hush {
  constructor(stream) {
    this.stream = stream;
    this.waits_ms = 0; // how long sound waits in the browser, as last measured
  }

  begin() {
    clearTimeout(this.timer);
    this.turn(false);
    const until_ms = Math.min(MOST_MS, Math.max(LEAST_MS, this.waits_ms + PACKETS_MS));
    this.timer = setTimeout(() => this.turn(true), until_ms);
  }

  turn(on) {
    for (const track of this.stream.getAudioTracks()) track.enabled = on;
  }
}
