// Why something stays as it is, by the reason's name in the proxy's answers.

const REASONS = {
  // Of a body as a whole.
  content_encoding: "The body is encoded.",
  digest: "A digest of the body came with it.",
  body_too_large: "The body is longer than COMPRESSION_MAX_BODY_BYTES.",
  off: "Compression is switched off.",
  endpoint_not_chosen: "This proxy leaves requests to this endpoint alone (COMPRESSION_ENDPOINTS).",
  keep_all: "The keep ratio is 1, so nothing is removed.",
  not_json: "This is not sound JSON.",
  too_deep: "The JSON is nested too deep.",
  too_many_texts: "There are more texts than the proxy looks into.",
  duplicate_keys: "A key stands there twice, so it is unclear which one counts.",
  unexpected_shape: "This does not have the shape of such a request.",
  other_event: "This event asks for no response.",
  no_text: "There is no text of a role that is compressed (COMPRESSION_ROLES).",
  no_text_shorter: "No text gets cheaper.",
  cancelled: "Nobody waited for it any more.",
  failed: "Something went wrong in the proxy.",
  // Of a single text.
  too_long: "The text is longer than COMPRESSION_MAX_TEXT_BYTES.",
  lone_surrogates: "The text holds half a character.",
  left_by_rule: "A rule leaves it alone.",
  one_token: "It is one token at most.",
  blank: "Nothing but white space would be left.",
  not_smaller: "It would not get cheaper.",
  too_few_tokens: "It has fewer tokens than COMPRESSION_MIN_TOKENS.",
  tokenizer_failed: "Its tokens cannot be counted.",
  strategy_failed: "The strategy failed.",
  fits: "It is as short as its rule wants it.",
  target_not_met: "It cannot be made as short as its rule wants it.",
};

/** The reason in a sentence. */
export function reason(name) {
  return REASONS[name] ?? `It stays as it is (${name}).`;
}

const READINGS = {
  chat: "the body of a request to chat completions",
  responses: "the body of a request to the Responses API",
  completions: "the body of a request to completions",
};

/** What the pasted text is taken for. */
export function readingInWords({ endpoint, pasted }) {
  if (endpoint) return `This is ${READINGS[endpoint]}; it names its model itself.`;
  return pasted.trimStart().startsWith("{")
    ? "This is taken as a text: it is not the JSON of a request."
    : "This is a text: the message of a user in a chat of its own.";
}
