// What several pages share: their words, tabs that arrow keys move through, and JSON in colours.

export const words = JSON.parse(document.getElementById("words").textContent);

/** The words under `key` in the reader's language, with the facts that they name. */
export const say = (key, facts = {}) =>
  Object.entries(facts).reduce((text, [name, fact]) => text.replace(`{${name}}`, () => fact), words[key]);

/** A paragraph of this class. */
export function paragraph(text, name) {
  const element = document.createElement("p");
  element.className = name;
  element.textContent = text;
  return element;
}

/** Makes the tablist inside `root` work; returns a function that selects a tab by its name. */
export function tabs(root) {
  const every = [...root.querySelectorAll("[role=tab]")];
  const choose = (tab, focus = false) => {
    for (const other of every) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", chosen);
      other.tabIndex = chosen ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
  };
  for (const [index, tab] of every.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowLeft: -1 };
      const last = every.length - 1;
      const to =
        event.key === "Home" ? 0 : event.key === "End" ? last : index + (steps[event.key] ?? NaN);
      if (Number.isNaN(to)) return;
      event.preventDefault();
      choose(every[(to + every.length) % every.length], true);
    });
  }
  return (name) => choose(root.querySelector(`#tab-${name}`));
}

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Shows JSON text in `element`, keys, strings, numbers and words each in their colour. */
export function highlight(element, text) {
  element.replaceChildren();
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    element.append(text.slice(at, match.index));
    const token = document.createElement("span");
    token.className = match[2] ? "k" : match[1] ? "s" : match[3] ? "w" : "n";
    token.textContent = match[1] ?? match[0];
    element.append(token);
    if (match[2]) element.append(match[2]);
    at = match.index + match[0].length;
  }
  element.append(text.slice(at));
}
