// Building what is shown. Whatever comes from outside is text, never markup.

/** An element with these attributes, holding these texts and elements; null holds nothing. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Write a text into the element of that id. */
export function show(id, text) {
  const shown = document.getElementById(id);
  // An unchanged text is left alone, so that it is not read aloud again.
  if (shown.textContent !== text) shown.textContent = text;
}
