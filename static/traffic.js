// What arrives here, from the browser's own statistics: pictures, waiting, loss, and lips against sound.

const REMEMBERED = 18; // readings whose median is the skew: single ones are off by up to a picture

export class Traffic {
  constructor() {
    this.before = null;
    this.skews = [];
  }

  // {fps, way_ms, browser_ms, sound_ms, skew_ms, skew_now_ms, lost, lost_now} since the reading before; null at the
  // first. skew_ms: + the picture comes after its sound; null while the browser does not know.
  read(report) {
    const now = {};
    report.forEach((entry) => {
      if (entry.type === "inbound-rtp") now[entry.kind] = entry;
      if (entry.type === "candidate-pair" && entry.nominated) now.pair = entry;
    });
    const before = this.before;
    this.before = now;
    if (!now.video || !before?.video) return null;
    const passed_s = (now.video.timestamp - before.video.timestamp) / 1000;
    if (!(passed_s > 0)) return null;
    const skew_now_ms = apart(now);
    return {
      fps: (now.video.framesDecoded - before.video.framesDecoded) / passed_s,
      way_ms: ((now.pair?.currentRoundTripTime || 0) * 1000) / 2,
      browser_ms: waited(before.video, now.video),
      sound_ms: now.audio && before.audio ? waited(before.audio, now.audio) : 0,
      skew_ms: this.skew(skew_now_ms),
      skew_now_ms,
      lost: lost(now),
      lost_now: missed(now) - missed(before),
    };
  }

  skew(now_ms) {
    if (now_ms !== null) this.skews.push(now_ms);
    if (this.skews.length > REMEMBERED) this.skews.shift();
    if (!this.skews.length) return null;
    return [...this.skews].sort((a, b) => a - b)[this.skews.length >> 1];
  }
}

// Both timestamps are of the server's media clock, so their distance is what one sees and hears.
function apart({ audio, video }) {
  if (!audio?.estimatedPlayoutTimestamp || !video.estimatedPlayoutTimestamp) return null;
  return audio.estimatedPlayoutTimestamp - video.estimatedPlayoutTimestamp;
}

function lost({ audio, video }) {
  return (video.packetsLost || 0) + (audio?.packetsLost || 0);
}

// Also what came when it was asked for again: it had to be waited for.
function missed({ audio, video }) {
  return (video.nackCount || 0) + (audio?.packetsLost || 0);
}

function waited(before, now) {
  const count = now.jitterBufferEmittedCount - before.jitterBufferEmittedCount;
  return count > 0 ? ((now.jitterBufferDelay - before.jitterBufferDelay) / count) * 1000 : 0;
}
