// Records what comes from the face, sound and picture, to a file that is downloaded at the end.

const KINDS = [
  ["video/mp4;codecs=avc1.42E01E,mp4a.40.2", "mp4"],
  ["video/webm;codecs=vp8,opus", "webm"],
  ["video/webm", "webm"],
];

export class Recorder extends EventTarget {
  constructor() {
    super();
    this.recorder = null;
  }

  static get isPossible() {
    return "MediaRecorder" in window;
  }

  get isOn() {
    return Boolean(this.recorder);
  }

  // Errors: a sentence, when the browser cannot.
  start(stream) {
    const kind = KINDS.find(([type]) => MediaRecorder.isTypeSupported(type));
    if (!kind) throw new Error("This browser cannot record; Chrome, Edge, Firefox and Safari of today can.");
    const pieces = [];
    const recorder = new MediaRecorder(stream, { mimeType: kind[0], videoBitsPerSecond: 5_000_000 });
    recorder.ondataavailable = (event) => event.data.size && pieces.push(event.data);
    recorder.onstop = () => {
      if (this.recorder === recorder) this.recorder = null;
      if (pieces.length) download(new Blob(pieces, { type: kind[0].split(";")[0] }), kind[1]);
      this.dispatchEvent(new Event("stop"));
    };
    recorder.start(1000);
    this.recorder = recorder;
    this.since = performance.now();
    this.dispatchEvent(new Event("start"));
  }

  // Also when the face goes off the air: what there is is kept.
  stop() {
    const recorder = this.recorder;
    this.recorder = null;
    if (recorder && recorder.state !== "inactive") recorder.stop();
  }

  get seconds() {
    return this.isOn ? Math.floor((performance.now() - this.since) / 1000) : 0;
  }
}

function download(blob, ending) {
  const link = document.createElement("a");
  const stamp = new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-");
  link.href = URL.createObjectURL(blob);
  link.download = `sonic-stream-${stamp}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
