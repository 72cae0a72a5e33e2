// What this page asks of the proxy. An Error's message is a sentence to be shown.

/** What would become of a text or a request; `question` is JSON. */
export function explain(question, signal) {
  const headers = { "content-type": "application/json" };
  return ask("/_proxy/compress", { method: "POST", headers, body: question, signal });
}

/** What was relayed and saved since the start. */
export function stats() {
  return ask("/_proxy/stats");
}

/** Where requests are relayed to. */
export async function target() {
  return (await ask("/health")).proxy_target;
}

/** What a question may choose from and what holds without it, read off the proxy's own description. */
export async function choices() {
  const { paths } = await ask("/_proxy/docs");
  const question = paths["/_proxy/compress"].post.requestBody.content["application/json"].schema;
  const fields = question.oneOf[0].properties;
  return {
    keepRatio: fields.tokens_to_keep_ratio.default,
    strategies: fields.strategy.enum.filter((name) => name !== null),
    strategy: fields.strategy.default,
    protections: fields.protect.items.enum,
    protect: fields.protect.default,
  };
}

async function ask(path, options = {}) {
  // Not relative to the page, whose address may hold the password that opened it.
  const address = new URL(path, location.origin);
  const response = await fetch(address, { cache: "no-store", ...options }).catch((error) => {
    throw error.name === "AbortError" ? error : new Error("The proxy does not answer.");
  });
  if (!response.ok) throw new Error(await reason(response));
  return response.json();
}

async function reason(response) {
  const told = await response.json().catch(() => null);
  return told?.error?.message ?? `The proxy answered ${response.status}.`;
}
