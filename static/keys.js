// The keyboard: one letter each, Space to talk, Esc to interrupt. Writing in a field is left alone.

const WRITING = "textarea, select, input:not([type=range]):not([type=checkbox])";
const PRESSABLE = "button, summary, a, input[type=checkbox], select, textarea";

// `actions`: key -> function; `talk(on)` is told of Space only while `mayTalk()`.
export function listenToKeys(actions, mayTalk, talk) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    if (event.key === "Escape") return void actions.Escape?.();
    if (event.target.closest?.(WRITING) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") {
      // With push-to-talk the bar is for talking; buttons still answer to Enter.
      if (!mayTalk()) return;
      event.preventDefault();
      return void (event.repeat || talk(true));
    }
    const action = actions[event.key.toLowerCase()];
    if (!action || event.repeat) return;
    event.preventDefault();
    action();
  });
  addEventListener("keyup", (event) => {
    if (event.key !== " " || !mayTalk()) return;
    if (event.target.closest?.(PRESSABLE) && !event.target.closest(WRITING)) event.preventDefault();
    talk(false);
  });
  addEventListener("blur", () => talk(false)); // the key may be let go elsewhere
}
