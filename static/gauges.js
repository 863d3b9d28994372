// Delay and lip-sync as numbers, as drawings, and in plain words.

const $ = (id) => document.getElementById(id);
const SCALE_MS = 200; // half the width of the sync scale

function words(latency_ms) {
  if (latency_ms < 300) return "From a sound reaching the server to its picture on this screen. This feels immediate.";
  if (latency_ms < 500) return "From a sound reaching the server to its picture on this screen. You may notice it when you talk together.";
  return "From a sound reaching the server to its picture on this screen. That is long: the machine or the network is busy.";
}

// ITU-R BT.1359: people notice sound that is 45 ms early or 125 ms late.
function judge(skew_ms) {
  const away = Math.round(Math.abs(skew_ms));
  if (skew_ms > -125 && skew_ms < 45)
    return ["good", away < 10 ? "Lips and sound are together." : `${away} ms apart: nobody notices that little.`];
  const order = skew_ms > 0 ? "The sound comes before its picture" : "The picture comes before its sound";
  return ["off", `${order} by ${away} ms. A few seconds after the start this settles; if not, the machine is too busy.`];
}

export function showStats({ fps, latency_ms, server_ms, way_ms, browser_ms, skew_ms, lost }) {
  const ms = (value) => `${Math.round(value)} ms`;
  $("badge-latency").querySelector("b").textContent = Math.round(latency_ms);
  $("badge-latency").setAttribute("aria-label", `Delay ${ms(latency_ms)}`);
  $("latency-words").textContent = words(latency_ms);
  for (const [name, value] of [["server", server_ms], ["way", way_ms], ["browser", browser_ms]]) {
    $(`share-${name}`).style.flexGrow = Math.max(value, 1);
    $(`at-${name}`).textContent = ms(value);
  }
  $("badge-fps").querySelector("b").textContent = Math.round(fps);
  $("at-lost").textContent = lost;
  const badge = $("badge-sync");
  if (skew_ms === null) return;
  const [verdict, sentence] = judge(skew_ms);
  badge.dataset.verdict = verdict;
  badge.querySelector("b").textContent = verdict === "good" ? "In sync" : `${Math.round(skew_ms)} ms`;
  badge.setAttribute("aria-label", `Lips and sound: ${sentence}`);
  $("sync-words").textContent = sentence;
  const at = Math.max(-1, Math.min(1, skew_ms / SCALE_MS));
  $("needle").style.left = `${50 + 50 * at}%`;
}

export function clearStats() {
  for (const id of ["badge-latency", "badge-sync", "badge-fps"]) $(id).querySelector("b").textContent = "–";
  delete $("badge-sync").dataset.verdict;
  for (const id of ["latency-words", "sync-words"]) $(id).textContent = "Measuring …";
}
