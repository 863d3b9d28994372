// How long sound and picture wait in the browser: no longer than the network asks for, and together.
//
// A browser brings both together by itself, but leaves 30 ms alone and takes half a minute for 400. Here its own
// estimate of what is seen and heard says which of the two has to wait longer. Pure logic: readings in, waits out.

const CALM_MS = 20; // the least, on a network that loses nothing
const ROUGH_MS = 150; // the most that losses make of it: what was lost has time to come again
const ROUGHER_MS = 40; // a reading with a loss
const CALM_AFTER = 20; // readings without one ...
const CALMER_MS = 4; // ... until it falls, a reading
const SLOWLY_MS = 25; // a reading: so fast a browser stretches sound
const MOST_MS = 1000;
// What is not worth a change, the readings whose median is believed, those after a change that still tell of before.
const CALM = { close_ms: 20, readings: 4, settling: 3 };
const ROUGH = { close_ms: 18, readings: 8, settling: 6 }; // losses make estimates swing
const OWN_DELAY_MS = 90; // an extra wait this long is the server's own delay, not the network's

export class Lipsync {
  constructor() {
    this.least_ms = CALM_MS;
    this.extra = { audio: 0, video: 0 };
    this.skews = [];
    this.wait = 0;
    this.calm = 0;
  }

  // One reading: {skew_now_ms: + the picture comes after its sound, or null; lost_now: packets; sound_ms, browser_ms:
  // how long sound and picture wait now}.
  // Returns the least waits, {audio, video} in ms, for `RTCRtpReceiver.jitterBufferTarget`.
  update({ skew_now_ms, lost_now, sound_ms = 0, browser_ms = 0 }) {
    const wasRough = this.isRough;
    this.calm = lost_now ? 0 : this.calm + 1;
    if (lost_now) this.least_ms = Math.min(ROUGH_MS, this.least_ms + ROUGHER_MS);
    else if (this.calm > CALM_AFTER) this.least_ms = Math.max(CALM_MS, this.least_ms - CALMER_MS);
    if (this.isRough !== wasRough) this.begin();
    if (skew_now_ms !== null) this.align(skew_now_ms, { audio: sound_ms, video: browser_ms });
    return this.waits;
  }

  get isRough() {
    return this.least_ms >= ROUGH_MS / 2;
  }

  // With long waits both come together by themselves; only what the server's own delay needs is kept.
  begin() {
    this.skews = [];
    for (const kind of ["audio", "video"]) if (this.extra[kind] < OWN_DELAY_MS) this.extra[kind] = 0;
  }

  get waits() {
    const wait = (extra_ms) => Math.min(MOST_MS, this.least_ms + Math.round(extra_ms));
    return { audio: wait(this.extra.audio), video: wait(this.extra.video) };
  }

  align(skew_now_ms, now_ms) {
    const { close_ms, readings, settling } = this.isRough ? ROUGH : CALM;
    if (this.wait > 0) return void this.wait--;
    this.skews.push(skew_now_ms);
    if (this.skews.length < readings) return;
    const skew_ms = this.skews.sort((a, b) => a - b)[readings >> 1];
    this.skews = [];
    const shift_ms = Math.abs(skew_ms) - close_ms / 2;
    if (Math.abs(skew_ms) < close_ms) return;
    const [late, early] = skew_ms > 0 ? ["video", "audio"] : ["audio", "video"];
    // What is late need not wait for longer than its least; beyond that the other one has to wait for it.
    const sooner_ms = Math.min(this.extra[late], shift_ms);
    this.extra[late] -= sooner_ms;
    if (shift_ms > sooner_ms) {
      const already_ms = Math.max(this.extra[early], now_ms[early] - this.least_ms);
      this.extra[early] = Math.min(MOST_MS, already_ms + shift_ms - sooner_ms);
    }
    this.wait = settling + Math.round(shift_ms / SLOWLY_MS);
  }
}
