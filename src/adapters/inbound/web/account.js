// What the proxy told about a compression, as it is shown.

import { element } from "./element.js";
import { NOTHING, money, percent, whole } from "./numbers.js";
import { pieces, textAt } from "./question.js";
import { reason } from "./words.js";

const MOST_SHOWN = 50_000;
const REQUESTS = 1000;

/** All of it, under `title`. */
export function account(told, reading, title) {
  return element(
    "article", {},
    element("header", {}, element("h4", {}, title), counter(told), figures(told), bar(told)),
    ...notes(told, reading).map((note) => element("p", { class: "note" }, note)),
    ...told.texts.map((text) => marked(text, reading)),
    ...told.left_alone.map((left) => whatStays(left)),
    told.texts.length || reading.endpoint ? null : element("p", { class: "text" }, reading.pasted),
  );
}

/** It in a sentence. */
export function summary(told) {
  if (!told.texts.length) return reason(told.reason);
  return `${whole(told.tokens_billed)} of ${whole(told.tokens_before)} tokens billed, ${percent(told.billed_ratio ?? 1)}.`;
}

function counter({ model, encoding }) {
  return element("span", { class: "hint" }, [model, encoding].filter(Boolean).join(" · "));
}

function figures(told) {
  const counted = told.texts.length > 0;
  const kept = told.texts.reduce((sum, text) => sum + text.tokens_kept, 0);
  return element(
    "dl", { class: "figures" },
    figure("before", "Tokens before", counted ? whole(told.tokens_before) : NOTHING),
    figure("kept", "Tokens kept", counted ? whole(kept) : NOTHING),
    figure("billed", "Tokens billed", counted ? whole(told.tokens_billed) : NOTHING),
    figure("wanted-ratio", "Ratio wanted", counted ? percent(wantedRatio(told)) : NOTHING),
    figure("billed-ratio", "Ratio billed", counted ? percent(told.billed_ratio ?? 1) : NOTHING),
    figure("cost", `Input cost × ${whole(REQUESTS)}`, cost(told)),
  );
}

function figure(id, name, value) {
  return element("div", {}, element("dt", {}, name), element("dd", { "data-figure": id }, value));
}

function cost({ cost: known, texts }) {
  if (!texts.length) return NOTHING;
  if (known === null) return "no price known";
  return `${money(known.before * REQUESTS)} → ${money(known.billed * REQUESTS)}`;
}

/** What was asked for, over all texts. */
function wantedRatio({ texts, tokens_before: before }) {
  const wanted = texts.reduce((sum, text) => sum + text.keep_ratio * text.tokens_before, 0);
  return before ? wanted / before : 1;
}

function bar(told) {
  const made = element("div", { class: "bar", "aria-hidden": "true" }, element("span"));
  made.style.setProperty("--billed", told.billed_ratio ?? (told.texts.length ? 1 : 0));
  made.style.setProperty("--wanted", told.texts.length ? wantedRatio(told) : 1);
  return made;
}

function notes(told, reading) {
  const unmet = told.texts.reduce((sum, text) => sum + text.tokens_unmet, 0);
  // A request says it beside each of its texts.
  const why = (!reading.endpoint && told.texts[0]?.skipped) || told.reason;
  return [
    why && reason(why),
    told.encoding_assumed && assumption(told),
    unmet && `${whole(unmet)} tokens more than wanted stay, because they are protected.`,
  ].filter(Boolean);
}

function assumption({ model, encoding }) {
  return model ? `The encoding of “${model}” is not known; ${encoding} is assumed.` : `No model is named; ${encoding} is assumed.`;
}

/** A text with what goes struck out. */
function marked(text, reading) {
  const original = textAt(reading, text.pointer);
  const shown = original.slice(0, MOST_SHOWN);
  const cut = shown.length < original.length;
  return element(
    "div", {},
    reading.endpoint ? element("p", { class: "place" }, place(text), " · ", summaryOf(text)) : null,
    element("p", { class: "text" }, ...pieces(shown, within(text.removed, shown.length)).map(piece), cut ? " …" : ""),
    cut ? element("p", { class: "note" }, `The first ${whole(MOST_SHOWN)} characters of it; all are counted.`) : null,
  );
}

// No code point is shorter than a UTF-16 unit, so none of what is shown lies beyond so many.
function within(spans, length) {
  return spans.filter(([start]) => start < length);
}

function piece({ text, removed }) {
  return removed ? element("del", {}, text) : text;
}

function place({ pointer, role, rule }) {
  const where = element("code", {}, pointer);
  return element("span", {}, where, ` ${role}`, rule === null ? "" : `, rule “${rule}”`);
}

function summaryOf(text) {
  if (text.skipped) return reason(text.skipped);
  return `${whole(text.tokens_billed)} of ${whole(text.tokens_before)} tokens, ${text.strategy}`;
}

function whatStays(left) {
  return element("p", { class: "place" }, place(left), " · ", reason(left.reason));
}
