// What was pasted, and the question about it.

const MEMBERS = [["messages", "chat"], ["input", "responses"], ["prompt", "completions"]];

/**
 * What `pasted` is: a request to `endpoint` with its parsed `body`, or a text, which has neither.
 * `wanted` is "text", an endpoint, or empty for whatever it looks like.
 */
export function read(pasted, wanted) {
  const body = wanted === "text" ? null : parsedObject(pasted);
  if (wanted && wanted !== "text" && body === null) {
    throw new Error("This is not a JSON object, so it cannot be the body of a request.");
  }
  const endpoint = body && (wanted || endpointOf(body));
  return endpoint ? { pasted, endpoint, body } : { pasted };
}

/** The question as JSON; `treatment` holds what is to be done, and nothing where settings decide. */
export function question(reading, model, treatment) {
  const about = reading.endpoint
    // As it was pasted: parsed and written anew, it would no longer be what a client sends.
    ? `"request":${reading.pasted},"endpoint":${JSON.stringify(reading.endpoint)}`
    : `"text":${JSON.stringify(reading.pasted)},"model":${JSON.stringify(model)}`;
  const fields = Object.entries(treatment).map(([name, value]) => `,"${name}":${JSON.stringify(value)}`);
  return `{${about}${fields.join("")}}`;
}

/** The text that stands at a JSON Pointer (RFC 6901) of what was pasted. */
export function textAt(reading, pointer) {
  if (!reading.endpoint) return reading.pasted;
  const keys = pointer.split("/").slice(1);
  return keys.reduce((value, key) => value[key.replaceAll("~1", "/").replaceAll("~0", "~")], reading.body);
}

/** `text` in pieces, each with whether it is removed; `spans` count code points, as Python does. */
export function pieces(text, spans) {
  const characters = Array.from(text);
  const found = [];
  let at = 0;
  const take = (end, removed) => {
    if (end === at) return;
    const piece = characters.slice(at, end).join("");
    at = end;
    const last = found.at(-1);
    if (last?.removed === removed) last.text += piece;
    else found.push({ text: piece, removed });
  };
  for (const [start, end] of spans) {
    take(start, false);
    take(end, true);
  }
  take(characters.length, false);
  return found;
}

function parsedObject(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function endpointOf(body) {
  return MEMBERS.find(([member]) => Object.hasOwn(body, member))?.[1];
}
