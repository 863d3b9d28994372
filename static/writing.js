// Text for the face: to say with a voice, or to be answered by the chat model where there is one.

import * as api from "./api.js";
import { recall, remember } from "./memory.js";
import { attempt } from "./toasts.js";

export class Writing {
  constructor({ form, text, voice, verb, button, live }) {
    Object.assign(this, { form, text, voice, verb, button, live, ready: true });
    text.addEventListener("input", () => this.fit());
    text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(() => this.send());
    });
    voice.onchange = () => remember("voice", voice.value);
    verb.onchange = () => {
      remember("verb", verb.value);
      this.name();
    };
  }

  set isReady(ready) {
    this.ready = ready;
    this.button.disabled = !ready || !this.voice.options.length;
  }

  fit() {
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight}px`;
  }

  name() {
    const asks = !this.verb.hidden && this.verb.value === "ask";
    this.text.placeholder = asks ? "Ask something …" : "Say something …";
    this.button.textContent = asks ? "Ask" : "Speak";
  }

  offerChat(there, limit) {
    this.verb.hidden = !there;
    this.verb.value = recall("verb", "ask");
    this.text.maxLength = limit;
    this.name();
  }

  async loadVoices() {
    const { voices, missing } = await api.voices();
    const fitting = voices.length ? [new Option("Fitting voice", "")] : []; // the server knows which
    this.voice.replaceChildren(...fitting, ...voices.map((voice) => new Option(voice.label, voice.id)));
    this.voice.hidden = !voices.length;
    const kept = recall("voice");
    if (voices.some((voice) => voice.id === kept)) this.voice.value = kept;
    this.text.disabled = Boolean(missing);
    if (missing) this.text.placeholder = missing;
    this.isReady = this.ready;
  }

  // Errors: what the server refused. A face that is off is started first.
  async send() {
    const words = this.text.value.trim();
    if (!words) return this.text.focus();
    await this.untilOn();
    const wish = { text: words, voice: this.voice.value || undefined };
    const asks = !this.verb.hidden && this.verb.value === "ask";
    await (asks ? api.askChat : api.say)(this.live.session, wish);
    this.text.value = "";
    this.fit();
  }

  untilOn() {
    const { live } = this;
    if (live.isOn) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const check = () => {
        if (!live.isOn && live.state !== "off") return;
        live.removeEventListener("state", check);
        if (live.isOn) resolve();
        else reject(new Error("The face is off. Press Start."));
      };
      if (live.state === "off") live.start();
      live.addEventListener("state", check);
    });
  }
}
