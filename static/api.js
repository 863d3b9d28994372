// The server's HTTP interface. Every refusal becomes an Error whose message is a sentence for people.

export class Refusal extends Error {
  constructor(message, status, kind) {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refusal("The server does not answer. Is it still running?", 0, "unreachable");
  }
  const text = await response.text();
  if (response.ok) return { response, text };
  let told = {};
  try {
    told = JSON.parse(text).error || {};
  } catch {
    told = {};
  }
  throw new Refusal(told.message || `The server refused (${response.status}).`, response.status, told.kind);
}

async function call(method, path, body) {
  const options = { method };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  const { text } = await ask(path, options);
  return text ? JSON.parse(text) : {};
}

const of = (id, rest = "") => `/api/sessions/${encodeURIComponent(id)}${rest}`;

export const config = () => call("GET", "/api/config");
export const health = () => call("GET", "/health");
export const portraits = async () => (await call("GET", "/api/portraits")).portraits;
export const voices = () => call("GET", "/api/voices");
export const openSession = (offer) => call("POST", "/api/sessions", offer);
export const closeSession = (id) => call("DELETE", of(id));
export const say = (id, wish) => call("POST", of(id, "/say"), wish);
export const askChat = (id, wish) => call("POST", of(id, "/ask"), wish);
export const interrupt = (id, resume) => call("POST", of(id, "/interrupt"), { resume });
export const resume = (id) => call("POST", of(id, "/resume"));
export const setControls = (id, values) => call("POST", of(id, "/controls"), values);
export const setMode = (id, mode) => call("POST", of(id, "/mode"), { mode });
export const setVoiceInterrupt = (id, value) => call("POST", of(id, "/voice_interrupt"), { voice_interrupt: value });

export function uploadPortrait(file) {
  const form = new FormData();
  form.append("file", file, file.name || "portrait.png");
  return call("POST", "/api/portraits", form);
}

export const removePortrait = (id) => call("DELETE", `/api/portraits/${encodeURIComponent(id)}`);

// WHEP: an offer in, the answer and the viewer's own address out.
export async function watchSession(id, sdp) {
  const options = { method: "POST", body: sdp, headers: { "Content-Type": "application/sdp" } };
  const { response, text } = await ask(of(id, "/whep"), options);
  return { sdp: text, place: response.headers.get("Location") };
}
export const leaveViewer = (place) => fetch(place, { method: "DELETE", keepalive: true }).catch(() => {});

// For pagehide: the only request a browser still sends then.
export const leave = (id) => navigator.sendBeacon(of(id, "/leave"));
