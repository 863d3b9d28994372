// The user's microphone: opened by choice, closed by choice, silent unless held when push-to-talk is on.
// Event "change" whenever the track, or whether it is heard, is another.

const WHY = {
  NotAllowedError:
    "The browser was not allowed to use the microphone. Allow it beside the address and try again.",
  NotFoundError: "No microphone was found. Plug one in, or choose another under Sound.",
  NotReadableError: "Another program is using the microphone.",
};

export class Microphone extends EventTarget {
  constructor() {
    super();
    this.stream = null;
    this.opening = null;
    this.deviceId = "";
    this.pushToTalk = false;
    this.held = false;
  }

  get track() {
    return this.stream?.getAudioTracks()[0] ?? null;
  }

  get isOpen() {
    return Boolean(this.stream);
  }

  get isHeard() {
    return this.isOpen && (!this.pushToTalk || this.held);
  }

  changed() {
    if (this.track) this.track.enabled = this.isHeard;
    this.dispatchEvent(new Event("change"));
  }

  // Errors: a sentence that says what to do.
  open() {
    this.opening ??= this.begin().finally(() => (this.opening = null));
    return this.opening;
  }

  async begin() {
    if (this.isOpen) return;
    if (!navigator.mediaDevices?.getUserMedia)
      throw new Error(
        "Browsers give the microphone only to https:// pages and to localhost. Start the server with" +
          " --ssl-certfile and --ssl-keyfile, or open the page on the machine that serves it.",
      );
    let stream, chosen;
    try {
      do {
        stream?.getTracks().forEach((track) => track.stop());
        stream = await capture((chosen = this.deviceId));
      } while (chosen !== this.deviceId); // another was chosen while this one opened
      this.stream = stream;
    } catch (error) {
      throw new Error(WHY[error.name] || `The microphone could not be opened (${error.name}).`);
    }
    this.track.onended = () => this.close(); // unplugged
    this.changed();
  }

  close() {
    if (!this.isOpen) return;
    this.stream.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.held = false;
    this.changed();
  }

  async choose(deviceId) {
    this.deviceId = deviceId;
    if (!this.isOpen) return;
    this.stream.getTracks().forEach((track) => track.stop());
    this.stream = null;
    try {
      await this.open();
    } catch (error) {
      this.changed();
      throw error;
    }
  }

  setPushToTalk(on) {
    this.pushToTalk = on;
    this.held = false;
    this.changed();
  }

  hold(on) {
    if (!this.pushToTalk || on === this.held) return;
    this.held = on;
    this.changed();
  }
}

async function capture(deviceId) {
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  if (deviceId)
    try {
      return await navigator.mediaDevices.getUserMedia({ audio: { ...audio, deviceId: { exact: deviceId } } });
    } catch (error) {
      // The remembered one is not plugged in today.
      if (error.name !== "OverconstrainedError" && error.name !== "NotFoundError") throw error;
    }
  return navigator.mediaDevices.getUserMedia({ audio });
}
