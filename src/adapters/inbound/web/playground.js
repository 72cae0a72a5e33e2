// The playground: what is pasted is asked about while it is typed.

import { account, summary } from "./account.js";
import { choices, explain } from "./api.js";
import { element, show } from "./element.js";
import { EXAMPLES } from "./examples.js";
import { question, read } from "./question.js";
import { readingInWords } from "./words.js";

const QUIET_MS = 150;
const ALL = "compare all";

const form = document.getElementById("question");
const fields = form.elements;
const result = document.getElementById("accounts");

let waiting;
let asking = new AbortController();

/** Offer what the proxy knows, and answer whatever is pasted from then on. */
export async function openPlayground() {
  fields.pasted.value = EXAMPLES.text;
  try {
    offer(await choices());
  } catch (error) {
    showProblem(error.message);
    return;
  }
  form.addEventListener("input", ({ target }) => {
    keepInStep(target);
    askSoon();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("click", ({ target }) => {
    if (target.dataset.example) paste(EXAMPLES[target.dataset.example]);
  });
  document.getElementById("show-removed").addEventListener("change", ({ target }) => {
    result.classList.toggle("without-removed", !target.checked);
  });
  await answer();
}

function offer({ keepRatio, strategies, strategy, protections, protect }) {
  document.getElementById("strategies").append(
    ...strategies.map((name) => choice("radio", "strategy", name, name === strategy)),
    choice("radio", "strategy", ALL, false),
  );
  document.getElementById("protections").append(
    ...protections.map((kind) => choice("checkbox", "protect", kind, protect.includes(kind))),
  );
  // A proxy that compresses nothing has no ratio to begin with.
  if (keepRatio < 1) fields["keep-ratio"].value = keepRatio;
  keepInStep(fields["keep-ratio"]);
}

function choice(type, name, value, chosen) {
  const input = element("input", { type, name, value });
  input.checked = chosen;
  return element("label", { class: "choice" }, input, element("span", {}, value));
}

function paste(text) {
  fields.pasted.value = text;
  fields.reading.value = "";
  answer();
}

/** The slider and the number say the same, and what decides nothing cannot be moved. */
function keepInStep(changed) {
  if (changed === fields.slider) fields["keep-ratio"].value = fields.slider.value;
  if (changed === fields["keep-ratio"]) fields.slider.value = fields["keep-ratio"].value;
  const keepRatio = Number(fields["keep-ratio"].value);
  const isRatio = keepRatio > 0 && keepRatio <= 1;
  show("as-compression-ratio", isRatio ? `COMPRESSION_RATIO ${Number((1 / keepRatio).toFixed(2))}` : "\u00a0");
  document.getElementById("treatment").disabled = fields["as-set"].checked;
}

function askSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(answer, QUIET_MS);
}

/** Ask about what stands there now, and show the answer unless another question came meanwhile. */
async function answer() {
  clearTimeout(waiting);
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  result.setAttribute("aria-busy", "true");
  try {
    const reading = read(fields.pasted.value, fields.reading.value);
    fields.model.disabled = Boolean(reading.endpoint);
    show("reading-found", readingInWords(reading));
    const asked = await Promise.all(
      treatments().map(async (treatment) => ({
        treatment, told: await explain(question(reading, fields.model.value, treatment), signal),
      })),
    );
    showAnswer(asked, reading);
  } catch (error) {
    if (signal.aborted) return;
    showProblem(error.message);
  }
  result.removeAttribute("aria-busy");
}

/** What is to be done, once for each strategy; where settings decide, nothing is said. */
function treatments() {
  if (fields["as-set"].checked) return [{}];
  if (!fields["keep-ratio"].value) throw new Error("The keep ratio must be a number above 0 and at most 1.");
  const chosen = inputs("strategy").find((input) => input.checked).value;
  const strategies = inputs("strategy").map((input) => input.value).filter((name) => name !== ALL);
  const protect = inputs("protect").filter((input) => input.checked).map((input) => input.value);
  return (chosen === ALL ? strategies : [chosen]).map((strategy) => ({
    tokens_to_keep_ratio: fields["keep-ratio"].value, strategy, protect,
  }));
}

function inputs(name) {
  return [...form.querySelectorAll(`input[name=${name}]`)];
}

function showAnswer(asked, reading) {
  const named = asked.map(({ treatment, told }) => [treatment.strategy ?? "as set", told]);
  result.replaceChildren(...named.map(([name, told]) => account(told, reading, name)));
  show("summary", named.map(([name, told]) => `${name}: ${summary(told)}`).join(" "));
  showProblem("");
}

function showProblem(message) {
  show("problem", message);
  document.getElementById("problem").hidden = !message;
  result.classList.toggle("outdated", Boolean(message));
}
