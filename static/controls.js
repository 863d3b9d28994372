// Mood and movement: sliders and faces made from what the server says can be set.

import { recall, remember } from "./memory.js";

const SLIDERS = { mood_amount: 0.05, dynamic_scale: 0.05, motion_scale: 0.05, inference_steps: 1 };

// Brows, eyes and mouth of each mood, drawn in a circle of 24.
const FACES = {
  neutral: "M9 10h.01M15 10h.01M8.500 15h7",
  happy: "M9 10h.01M15 10h.01M7.500 13.500c1.500 4 7.500 4 9 0",
  sad: "M9 11h.01M15 11h.01M8 16.500c1.500-2.500 6.500-2.500 8 0M7.500 8.500l2-1M16.500 8.500l-2-1",
  angry: "M9 11h.01M15 11h.01M8.500 16c2-1 5-1 7 0M7.200 7.500l3 1.500M16.800 7.500l-3 1.500",
  surprised: "M9 10h.01M15 10h.01M12 14.200a1.700 1.900 0 1 0 .01 0M7.500 7q1.500-1.200 3 0M13.500 7q1.500-1.200 3 0",
  tender: "M7.800 10.300q1.200-1.200 2.400 0M13.800 10.300q1.200-1.200 2.400 0M9 14.500q3 2.200 6 0",
};

export class Controls extends EventTarget {
  constructor({ moods, moodSection, reset }) {
    super();
    this.moods = moods;
    this.moodSection = moodSection;
    this.known = {};
    this.values = {};
    reset.onclick = () => this.reset();
    moods.addEventListener("keydown", (event) => this.moveByKey(event));
  }

  // `known`: name -> {kind, default, low, high, choices}, as the server tells.
  offer(known, paintingSteps) {
    this.known = known;
    const kept = recall("controls", {});
    for (const [name, step] of Object.entries(SLIDERS)) {
      const field = document.querySelector(`[data-control="${name}"]`);
      field.hidden = !known[name] || (name === "inference_steps" && !paintingSteps);
      if (field.hidden) continue;
      const input = field.querySelector("input");
      Object.assign(input, { min: known[name].low, max: known[name].high, step });
      if (name === "inference_steps") input.max = Math.min(known[name].high, paintingSteps);
      input.value = kept[name] ?? known[name].default;
      input.oninput = () => this.take(name, Number(input.value));
      this.values[name] = Number(input.value);
      draw(field);
    }
    const choices = known.mood?.choices || [];
    this.moodSection.hidden = !choices.length;
    this.moods.replaceChildren(...choices.map((mood) => this.face(mood)));
    if (choices.length) this.setMood(choices.includes(kept.mood) ? kept.mood : known.mood.default, false);
  }

  face(mood) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.mood = mood;
    button.setAttribute("role", "radio");
    const path = FACES[mood] || FACES.neutral;
    button.innerHTML =
      `<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="9.500"/><path d="${path}"/></svg><span></span>`;
    button.querySelector("span").textContent = mood[0].toUpperCase() + mood.slice(1);
    button.onclick = () => this.setMood(mood);
    return button;
  }

  setMood(mood, tell = true) {
    for (const button of this.moods.children) {
      const on = button.dataset.mood === mood;
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    const amount = document.querySelector('[data-control="mood_amount"]');
    amount.classList.toggle("unused", mood === "neutral");
    if (tell) this.take("mood", mood);
    else this.values.mood = mood;
  }

  // By number key: 1 is the first.
  pickMood(number) {
    const button = this.moods.children[number - 1];
    if (button) this.setMood(button.dataset.mood);
  }

  moveByKey(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...this.moods.children];
    const at = all.findIndex((button) => button.dataset.mood === this.values.mood);
    const next = all[(at + step + all.length) % all.length];
    this.setMood(next.dataset.mood);
    next.focus();
  }

  take(name, value) {
    this.values[name] = value;
    const field = document.querySelector(`[data-control="${name}"]`);
    if (field) draw(field);
    remember("controls", this.values);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.dispatchEvent(new Event("change")), 60);
  }

  // Movement only: the mood has a neutral of its own.
  reset() {
    for (const name of ["dynamic_scale", "motion_scale", "inference_steps"]) {
      const field = document.querySelector(`[data-control="${name}"]`);
      if (field.hidden) continue;
      field.querySelector("input").value = this.known[name].default;
      this.take(name, this.known[name].default);
    }
  }
}

function draw(field) {
  const input = field.querySelector("input");
  input.style.setProperty("--fill", `${((input.value - input.min) / (input.max - input.min)) * 100}%`);
  field.querySelector("output").textContent = Number(input.value).toFixed(input.step < 1 ? 2 : 0);
}
