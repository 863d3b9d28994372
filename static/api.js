// The server's HTTP interface. Every refusal becomes an Error whose message is a sentence for people.

export class Refusal extends Error {
  constructor(message, status, kind) {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}

async function call(method, path, body) {
  const options = { method };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refusal("The server does not answer. Is it still running?", 0, "unreachable");
  }
  const text = await response.text();
  let told = {};
  try {
    told = text ? JSON.parse(text) : {};
  } catch {
    told = {};
  }
  if (!response.ok) {
    const error = told.error || {};
    throw new Refusal(error.message || `The server refused (${response.status}).`, response.status, error.kind);
  }
  return told;
}

export const portraits = async () => (await call("GET", "/api/portraits")).portraits;
export const voices = () => call("GET", "/api/voices");
export const openSession = (offer) => call("POST", "/api/sessions", offer);
export const closeSession = (id) => call("DELETE", `/api/sessions/${id}`);
export const say = (id, wish) => call("POST", `/api/sessions/${id}/say`, wish);
export const interrupt = (id) => call("POST", `/api/sessions/${id}/interrupt`);
export const setControls = (id, values) => call("POST", `/api/sessions/${id}/controls`, values);
export const setMode = (id, mode) => call("POST", `/api/sessions/${id}/mode`, { mode });

export function uploadPortrait(file) {
  const form = new FormData();
  form.append("file", file);
  return call("POST", "/api/portraits", form);
}

// For pagehide: the only request a browser still sends then.
export const leave = (id) => navigator.sendBeacon(`/api/sessions/${id}/leave`);
