// Something to begin with.

const REPORT = `Please read this short report and tell me in one sentence what it is about. \
The harbour of Lisbon was rebuilt after the great earthquake of 1755, when the waters of the Tagus \
rose and swept away the warehouses of 312 merchants. The new quays were laid out in straight lines, \
broad enough for two carriages, and planted with lime trees that still stand there today. \
See https://example.org/lisbon?page=12 for the plans, which Eugénio dos Santos signed “on a Tuesday, in the rain”.`;

const REQUEST = {
  model: "gpt-4o",
  messages: [
    { role: "system", content: "You are a harbour master. Answer briefly." },
    { role: "user", content: REPORT },
    { role: "assistant", content: "It is about how the harbour of Lisbon was rebuilt." },
    { role: "user", content: [{ type: "text", text: "And what became of the warehouses of the merchants, in the end?" }] },
  ],
};

export const EXAMPLES = { text: REPORT, request: JSON.stringify(REQUEST, null, 2) };
