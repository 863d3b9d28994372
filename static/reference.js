// The interface as a list to read and to try, made from what the server says of itself. Nothing is fetched elsewhere.

const place = document.getElementById("operations");

function made(tag, { parent, ...properties }) {
  const element = Object.assign(document.createElement(tag), properties);
  parent?.append(element);
  return element;
}

// A body to begin with: what is required, and what has a default.
function example(schema, schemas) {
  const whole = schema.$ref ? schemas[schema.$ref.split("/").pop()] : schema;
  const parts = {};
  for (const [name, part] of Object.entries(whole.properties ?? {})) {
    if (part.default !== undefined) parts[name] = part.default;
    else if (whole.required?.includes(name)) parts[name] = part.enum?.[0] ?? "";
  }
  return parts;
}

async function show(answer, out) {
  const kind = answer.headers.get("content-type") ?? "";
  const status = `${answer.status} ${answer.statusText}`;
  if (kind.startsWith("image/")) {
    out.replaceChildren(`${status}, ${kind}\n`);
    made("img", { parent: out, src: URL.createObjectURL(await answer.blob()), alt: "the answer" });
    return;
  }
  const text = await answer.text();
  out.textContent = `${status}\n${kind.startsWith("application/json") ? JSON.stringify(JSON.parse(text), null, 2) : text}`;
}

function card(method, path, operation, schemas) {
  const details = made("details", { className: "operation" });
  const summary = made("summary", { parent: details });
  made("b", { parent: summary, textContent: method.toUpperCase() });
  made("code", { parent: summary, textContent: path });
  const words = made("span", { parent: summary });
  (operation.description ?? "").split("`").forEach((part, i) => words.append(i % 2 ? made("code", { textContent: part }) : part));
  const form = made("form", { parent: details });
  const inputs = {};
  for (const { name, in: where } of operation.parameters ?? []) {
    if (where !== "path") continue;
    const label = made("label", { parent: form, textContent: name.replaceAll("_", " ") });
    inputs[name] = made("input", { parent: label, required: true, value: name === "session_id" ? "current" : "" });
  }
  const [kind, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  let body;
  if (kind === "multipart/form-data") {
    body = made("input", { parent: made("label", { parent: form, textContent: "file" }), type: "file", required: true });
  } else if (kind) {
    const given = kind === "application/json" ? JSON.stringify(example(content.schema, schemas), null, 2) : "";
    body = made("textarea", { parent: made("label", { parent: form, textContent: kind }), value: given, spellcheck: false });
  }
  made("button", { parent: form, textContent: "Send" });
  const out = made("pre", { parent: form, hidden: true });
  form.onsubmit = async (event) => {
    event.preventDefault();
    const address = path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(inputs[name].value));
    const wish = { method: method.toUpperCase() };
    if (body?.type === "file") {
      wish.body = new FormData();
      wish.body.append("file", body.files[0]);
    } else if (body) Object.assign(wish, { body: body.value, headers: { "Content-Type": kind } });
    out.hidden = false;
    out.textContent = "…";
    try {
      await show(await fetch(address, wish), out);
    } catch (error) {
      out.textContent = `No answer: ${error.message}`;
    }
  };
  return details;
}

try {
  const told = await (await fetch("/openapi.json")).json();
  const cards = Object.entries(told.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => card(method, path, operation, told.components?.schemas ?? {})),
  );
  place.replaceChildren(...cards);
} catch {
  place.textContent = "The server does not answer; load this page again when it runs.";
}
