// Which microphone and which speaker: two lists that follow what is plugged in, and remember the choice.

import { recall, remember } from "./memory.js";
import { attempt } from "./toasts.js";

export class Devices {
  constructor({ microphone, speaker, speakerField, video, onMicrophone }) {
    this.lists = { audioinput: microphone, audiooutput: speaker };
    this.video = video;
    speakerField.hidden = !("setSinkId" in video);
    microphone.onchange = () => {
      remember("microphone", microphone.value);
      attempt(() => onMicrophone(microphone.value));
    };
    speaker.onchange = () => {
      remember("speaker", speaker.value);
      this.useSpeaker();
    };
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.refresh());
  }

  // Browsers tell names only once a microphone was allowed: call it then again.
  async refresh() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) || [];
    for (const [kind, list] of Object.entries(this.lists)) {
      const found = all.filter((each) => each.kind === kind && each.deviceId && each.deviceId !== "default");
      const options = found.map((each, i) => new Option(each.label || `Device ${i + 1}`, each.deviceId));
      list.replaceChildren(new Option("System default", ""), ...options);
      const wanted = recall(kind === "audioinput" ? "microphone" : "speaker", "");
      list.value = found.some((each) => each.deviceId === wanted) ? wanted : "";
      list.disabled = !navigator.mediaDevices;
    }
    await this.useSpeaker();
  }

  async useSpeaker() {
    if (!("setSinkId" in this.video) || this.video.sinkId === this.lists.audiooutput.value) return;
    await attempt(() =>
      this.video.setSinkId(this.lists.audiooutput.value).catch(() => {
        throw new Error("This speaker cannot be used; choose another.");
      }),
    );
  }
}
