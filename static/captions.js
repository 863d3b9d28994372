// What is being said, over the picture: the sentence that sounds, its word of the moment, and what it heard.

const LINGER_MS = 1600;
const LONGEST = 240;

export class Captions {
  constructor(place) {
    this.place = place;
    this.sentence = "";
  }

  hear(told) {
    if (told.type === "caption") this.say(told.text);
    else if (told.type === "word") this.word(told.start, told.end);
    else if (told.type === "transcript") this.show(`You: ${told.text}`, "user");
    else if (told.type === "speaking_finished") this.linger();
    else if (told.type === "interrupted") this.clear();
  }

  say(text) {
    this.sentence = text;
    this.show(text);
  }

  // The word at [start, end) of the sentence sounds now.
  word(start, end) {
    if (!this.sentence || this.sentence.length > LONGEST) return;
    const now = document.createElement("b");
    now.textContent = this.sentence.slice(start, end);
    const line = document.createElement("span");
    line.append(this.sentence.slice(0, start), now, this.sentence.slice(end));
    this.place.replaceChildren(line);
    this.place.className = "caption shown spoken";
    clearTimeout(this.timer);
  }

  show(text, kind = "") {
    clearTimeout(this.timer);
    const line = document.createElement("span");
    line.textContent = text.length > LONGEST ? `${text.slice(0, LONGEST - 2)} …` : text;
    this.place.replaceChildren(line);
    this.place.className = `caption shown ${kind}`;
  }

  linger() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.clear(), LINGER_MS);
  }

  clear() {
    clearTimeout(this.timer);
    this.sentence = "";
    this.place.className = "caption";
  }
}
