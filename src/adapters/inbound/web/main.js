// Starts both halves of the page.

import { target } from "./api.js";
import { watchTraffic } from "./live.js";
import { openPlayground } from "./playground.js";

openPlayground();
watchTraffic();
target().then(
  (url) => { document.getElementById("target").textContent = `relays to ${url}`; },
  () => {}, // The live half says that nobody answers.
);
