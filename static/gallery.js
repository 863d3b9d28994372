// The portraits: choosing one; uploading one by button, by drop or by paste; removing it again.

import * as api from "./api.js";

const CROSS = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 7l10 10M17 7L7 17"/></svg>';
const PLUS = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 5v14M5 12h14"/></svg>';

export class Gallery extends EventTarget {
  constructor({ list, file, drop, advice }) {
    super();
    this.list = list;
    this.file = file;
    this.advice = advice;
    this.portraits = [];
    this.files = new Map(); // what was uploaded here, for a server that has forgotten it
    this.chosen = null;
    file.addEventListener("change", () => {
      if (file.files.length) this.upload(file.files[0]);
      file.value = "";
    });
    this.listenForDrops(drop);
    addEventListener("paste", (event) => {
      const pasted = [...(event.clipboardData?.files || [])].find((each) => each.type.startsWith("image/"));
      if (!pasted) return;
      event.preventDefault();
      this.upload(pasted);
    });
    list.addEventListener("keydown", (event) => this.moveByKey(event));
  }

  async load(wanted) {
    this.portraits = await api.portraits();
    const first = this.portraits.find((p) => p.id === wanted) || this.portraits[0];
    this.draw();
    if (first) this.choose(first.id);
  }

  draw() {
    this.list.replaceChildren(...this.portraits.map((p) => this.tile(p)), this.uploadTile());
  }

  tile(portrait) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "portrait";
    button.dataset.id = portrait.id;
    button.title = portrait.name;
    button.setAttribute("role", "radio");
    button.setAttribute("aria-label", portrait.name);
    const image = new Image();
    image.src = portrait.thumbnail;
    image.alt = "";
    image.draggable = false;
    button.append(image);
    button.addEventListener("click", () => this.choose(portrait.id));
    this.mark(button);
    return portrait.bundled ? button : this.removable(button, portrait);
  }

  removable(button, portrait) {
    const place = document.createElement("div");
    place.className = "place";
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "remove";
    remove.title = `Remove ${portrait.name}`;
    remove.setAttribute("aria-label", remove.title);
    remove.innerHTML = CROSS;
    remove.addEventListener("click", () => this.remove(portrait.id));
    button.setAttribute("aria-keyshortcuts", "Delete");
    place.append(button, remove);
    return place;
  }

  uploadTile() {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "portrait upload";
    button.id = "upload";
    button.title = "Upload a portrait; or drop or paste one anywhere";
    button.setAttribute("aria-label", "Upload a portrait");
    button.innerHTML = `<span>${PLUS}Upload</span>`;
    button.addEventListener("click", () => this.file.click());
    return button;
  }

  mark(button) {
    const on = button.dataset.id === this.chosen;
    button.setAttribute("aria-checked", String(on));
    button.tabIndex = on ? 0 : -1;
  }

  choose(id) {
    if (id === this.chosen) return;
    this.chosen = id;
    this.list.querySelectorAll('[role="radio"]').forEach((button) => this.mark(button));
    const portrait = this.portraits.find((p) => p.id === id);
    this.advise(portrait.advice);
    this.dispatchEvent(new CustomEvent("choose", { detail: portrait }));
  }

  advise(sentences) {
    this.advice.hidden = !sentences?.length;
    this.advice.textContent = (sentences || []).join(" ");
  }

  moveByKey(event) {
    const own = this.portraits.find((p) => p.id === event.target.dataset?.id && !p.bundled);
    if (event.key === "Delete" && own) this.remove(own.id);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !this.portraits.length) return;
    event.preventDefault();
    const at = this.portraits.findIndex((p) => p.id === this.chosen);
    const next = this.portraits[(at + step + this.portraits.length) % this.portraits.length];
    this.choose(next.id);
    this.list.querySelector(`[data-id="${CSS.escape(next.id)}"]`).focus();
  }

  // The one that was shown makes room for the first of the list.
  async remove(id) {
    try {
      await api.removePortrait(id);
    } catch (error) {
      if (error.status !== 404) {
        this.dispatchEvent(new CustomEvent("problem", { detail: { message: error.message } }));
        return;
      }
    }
    this.files.delete(id);
    this.portraits = this.portraits.filter((p) => p.id !== id);
    this.draw();
    if (this.chosen === id && this.portraits.length) this.choose(this.portraits[0].id);
    this.list.querySelector('[aria-checked="true"]')?.focus();
  }

  async upload(file) {
    const tile = document.getElementById("upload");
    tile.classList.add("busy");
    tile.setAttribute("aria-busy", "true");
    try {
      const portrait = await api.uploadPortrait(file);
      this.files.set(portrait.id, file);
      this.portraits = [...this.portraits.filter((p) => p.id !== portrait.id), portrait];
      this.chosen = null;
      this.draw();
      this.choose(portrait.id);
    } catch (error) {
      this.dispatchEvent(new CustomEvent("problem", { detail: { message: error.message } }));
    } finally {
      const after = document.getElementById("upload");
      after.classList.remove("busy");
      after.removeAttribute("aria-busy");
    }
  }

  // A restarted server has forgotten uploads: give it this one again, or fall back to its first portrait.
  async restore(id) {
    const file = this.files.get(id);
    const portrait = file ? await api.uploadPortrait(file) : undefined;
    this.portraits = await api.portraits();
    const known = portrait ?? this.portraits[0];
    if (portrait) this.files.set(portrait.id, file);
    this.chosen = known?.id ?? null;
    this.draw();
    return this.chosen;
  }

  listenForDrops(veil) {
    let depth = 0;
    const isFile = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
    const show = (on) => veil.classList.toggle("shown", on);
    addEventListener("dragenter", (event) => {
      if (isFile(event)) show(++depth > 0);
    });
    addEventListener("dragleave", (event) => {
      if (isFile(event)) show(--depth > 0);
    });
    addEventListener("dragover", (event) => {
      if (isFile(event)) event.preventDefault();
    });
    addEventListener("drop", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      depth = 0;
      show(false);
      if (event.dataTransfer.files.length) this.upload(event.dataTransfer.files[0]);
    });
  }
}
