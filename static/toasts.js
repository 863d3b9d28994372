// Sentences that tell people what happened, at the foot of the page.

const LONGEST = 3;

export function toast(message, { bad = true, action, label } = {}) {
  const list = document.getElementById("toasts");
  [...list.children].find((each) => each.dataset.message === message)?.remove();
  const box = document.createElement("div");
  box.className = bad ? "toast bad" : "toast";
  box.dataset.message = message;
  const words = document.createElement("p");
  words.textContent = message;
  box.append(words);
  if (action) box.append(button(label, "act", () => (box.remove(), action())));
  const close = button("×", "close", () => box.remove());
  close.setAttribute("aria-label", "Close");
  box.append(close);
  list.append(box);
  while (list.children.length > LONGEST) list.firstChild.remove();
  setTimeout(() => box.remove(), 4000 + message.length * 60);
}

function button(text, name, press) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = name;
  made.textContent = text;
  made.onclick = press;
  return made;
}

// Runs `work`; what goes wrong is told instead of thrown.
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    toast(error.message);
    return undefined;
  }
}
