// The live half: what was relayed and saved, asked for every other second while somebody looks.

import { stats } from "./api.js";
import { element, show } from "./element.js";
import { NOTHING, money, percent, rate, whole } from "./numbers.js";

const EVERY_MS = 2000;
const MOST_RATES = 60;
const HEIGHT = 20;

let timer;
let last;
let rates = [];

/** Look now and from then on, but not while the page is hidden. */
export function watchTraffic() {
  document.addEventListener("visibilitychange", look);
  look();
}

async function look() {
  clearTimeout(timer);
  if (document.hidden) {
    showState("paused");
    return;
  }
  try {
    showTraffic(await stats());
    showState("live");
  } catch (error) {
    showState("lost", error.message);
  }
  clearTimeout(timer); // Another look may have begun meanwhile.
  timer = setTimeout(look, EVERY_MS);
}

function showState(state, words = state) {
  document.getElementById("state").dataset.state = state;
  show("state", words);
}

function showTraffic(told) {
  takeRate(told);
  show("verdict", told.verdict);
  show("ended", whole(told.requests.ended));
  show("in-flight", whole(told.requests.in_flight));
  showTokens(told.estimated);
  showMoney(told.money);
  showRates();
  showEndpoints(told.requests.by_endpoint);
  showModels(told.models);
}

function takeRate({ since, requests: { ended } }) {
  const now = performance.now();
  // A proxy that was started anew counts from zero.
  if (last?.since !== since) rates = [];
  else rates.push(((ended - last.ended) * 1000) / (now - last.at));
  rates = rates.slice(-MOST_RATES);
  last = { since, ended, at: now };
}

function showTokens({ tokens_before: before, tokens_after: after, tokens_saved: saved, shadow_tokens_saved: shadow }) {
  show("tokens-before", whole(before));
  show("tokens-after", whole(after));
  show("share-sent", before ? `${percent(after / before)} of them` : "\u00a0");
  show("tokens-saved", whole(saved));
  show("shadow", shadow ? `${whole(shadow)} more in shadow` : "as counted here");
}

function showMoney(told) {
  const saved = told?.saved.total ?? 0;
  document.getElementById("money").classList.toggle("loss", saved < 0);
  show("money-title", saved < 0 ? "Lost" : "Saved");
  show("money-saved", told?.priced_answers ? money(Math.abs(saved)) : NOTHING);
  show("money-of", told?.priced_answers ? `at ${money(told.billed.total)} billed` : "no price known");
}

function showRates() {
  const peak = Math.max(1, ...rates);
  const right = MOST_RATES - 1;
  const points = rates.map((value, at) => [
    right - (rates.length - 1 - at), HEIGHT - 1 - (value / peak) * (HEIGHT - 2),
  ]);
  const line = points.map((point) => point.join(",")).join(" ");
  const left = right - Math.max(0, rates.length - 1);
  document.getElementById("rates-line").setAttribute("points", line);
  document.getElementById("rates-area").setAttribute("points", `${left},${HEIGHT} ${line} ${right},${HEIGHT}`);
  show("rate", `${rate(rates.at(-1) ?? 0)} a second`);
  show("peak", rates.length ? `peak ${rate(Math.max(...rates))}` : "\u00a0");
}

function showEndpoints(byEndpoint) {
  const statuses = [...new Set(Object.values(byEndpoint).flatMap(Object.keys))].sort();
  const rows = Object.entries(byEndpoint).map(([endpoint, counts]) => [
    endpoint, ...statuses.map((status) => (status in counts ? whole(counts[status]) : NOTHING)),
  ]);
  const base = `${location.origin}/v1`;
  showTable("endpoints", "Requests by status", ["Part of the API", ...statuses], rows, `None yet: give a client ${base} as its base URL.`);
}

function showModels(models) {
  const rows = Object.entries(models).map(([model, { answers, billed, without_compression: supposed }]) => [
    model, whole(answers), whole(input(billed)), whole(billed.cached_input_tokens), whole(billed.output_tokens), whole(input(supposed)),
  ]);
  const columns = ["Model", "Answers", "Input billed", "of it cached", "Output billed", "without compression"];
  showTable("models", "Tokens that answers said were billed", columns, rows, "No answer has said yet what was billed.");
}

function input(bill) {
  return bill.uncached_input_tokens + bill.cached_input_tokens + bill.cache_write_tokens;
}

function showTable(id, caption, columns, rows, nothing) {
  const table = document.getElementById(id);
  const told = JSON.stringify([columns, rows]);
  // What is unchanged stays, with whatever somebody has marked in it.
  if (table.dataset.told === told) return;
  table.dataset.told = told;
  const empty = element("tr", {}, element("td", { class: "hint", colspan: columns.length }, nothing));
  table.replaceChildren(
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...(rows.length ? rows.map(row) : [empty])),
  );
}

function row([name, ...cells]) {
  return element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", {}, cell)));
}
