// Completion: which names fit where the caret is, and the list to choose from with the keyboard.

const MOST = 40;

/**
 * Where the caret is in JSON text: in a key or a value, of which key, and the keys that lead there.
 * Null outside of a string.
 */
export function contextAt(text, caret) {
  const open = [];
  let key = null;
  let wantsKey = false;
  for (let at = 0; at < caret; at += 1) {
    const sign = text[at];
    if (sign === '"') {
      const start = at + 1;
      for (at += 1; at < text.length && text[at] !== '"' && text[at] !== "\n"; at += 1)
        if (text[at] === "\\") at += 1;
      if (at >= caret) {
        const keys = open.filter((item) => item.sign === "{").slice(1);
        return { isKey: wantsKey, key, start, path: keys.map((item) => item.key) };
      }
      if (wantsKey) key = text.slice(start, at);
    } else if (sign === "{" || sign === "[") {
      const top = open.at(-1);
      open.push({ sign, key: top?.sign === "[" ? top.key : key });
      wantsKey = sign === "{";
    } else if (sign === "}" || sign === "]") {
      open.pop();
      wantsKey = false;
    } else if (sign === ",") wantsKey = open.at(-1)?.sign === "{";
    else if (sign === ":") wantsKey = false;
  }
  return null;
}

/** The names that fit at the caret, as {from, prefix, items}; items are [name, about, kind]. */
export function fitting(text, caret, names) {
  const context = contextAt(text, caret);
  if (!context) return null;
  const before = text.slice(context.start, caret);
  if (context.isKey) {
    const type = context.path.reduce((kind, key) => names.types[kind]?.[key], names.root);
    return among(caret, before, kinds(Object.entries(names.types[type] ?? {}), "element"));
  }
  if (context.key === "definitionCanonical" || context.key === "library")
    return among(caret, before, kinds(names.canonicals, "canonical"));
  if (context.key !== "expression") return null;
  return inExpression(caret, before, names);
}

function inExpression(caret, before, names) {
  const isQuoted = (before.match(/'/g) ?? []).length % 2 === 1;
  if (isQuoted) {
    const prefix = before.slice(before.lastIndexOf("'") + 1);
    return among(caret, prefix, kinds(names.valueSets, "value set"), true);
  }
  const [, sign, prefix] = /([%.]?)([A-Za-z_]\w*)?$/.exec(before);
  if (sign === "%") return among(caret, prefix ?? "", kinds(names.variables, "variable"), true);
  const items = [...kinds(names.functions, "function"), ...kinds(names.elements, "element")];
  return among(caret, prefix ?? "", items, sign === ".");
}

const kinds = (pairs, kind) => pairs.map(([name, about]) => [name, about, kind]);

function among(caret, prefix, items, isAsked = false) {
  const typed = prefix.toLowerCase();
  const starts = items.filter(([name]) => name.toLowerCase().startsWith(typed));
  const holds = items.filter(([name]) => name.toLowerCase().slice(1).includes(typed));
  const found = [...new Set([...starts, ...(typed ? holds : [])])].slice(0, MOST);
  const isWhole = found.length === 1 && found[0][0] === prefix;
  return { from: caret - prefix.length, prefix, isAsked, items: isWhole ? [] : found };
}

/** The list beside the caret. It never takes the focus; the text area says which name is active. */
export class Completions {
  constructor(view, list, root, say) {
    Object.assign(this, { view, list, root, say, names: null, offered: null, active: 0 });
    this.missed = null;
    view.area.addEventListener("keydown", (event) => this.key(event));
    view.area.addEventListener("blur", () => this.close());
    view.area.addEventListener("scroll", () => this.close());
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) this.take(Number(option.dataset.index));
    });
  }

  get isOpen() {
    return !this.list.hidden;
  }

  /** Takes the names once they have arrived, and makes up for an offer that came before them. */
  learn(names) {
    this.names = names;
    const { missed } = this;
    const { area, text } = this.view;
    const isWhereItWas = missed?.text === text && missed.caret === area.selectionStart;
    if (isWhereItWas && document.activeElement === area) this.offer(missed.isAsked);
  }

  /** Offers what fits; unasked, only once something was typed that names begin with. */
  offer(isAsked) {
    const { selectionStart, selectionEnd } = this.view.area;
    if (!this.names) {
      this.missed = { isAsked, text: this.view.text, caret: selectionStart };
      return;
    }
    const found =
      selectionStart === selectionEnd ? fitting(this.view.text, selectionStart, this.names) : null;
    if (!found?.items.length || !(isAsked || found.prefix || found.isAsked)) return this.close();
    this.offered = found;
    this.list.replaceChildren(...found.items.map((item, index) => this.option(item, index)));
    this.list.hidden = false;
    const { left, top } = this.view.caret;
    const room = this.root.clientWidth - this.list.offsetWidth - 4;
    this.list.style.left = `${Math.max(4, Math.min(left, room))}px`;
    const above = top + this.list.offsetHeight > this.root.clientHeight;
    this.list.style.top = `${above ? Math.max(0, top - 24 - this.list.offsetHeight) : top}px`;
    this.choose(0);
    this.say(found.items.length);
  }

  option([name, about, kind], index) {
    const option = document.createElement("li");
    option.id = `completion-${index}`;
    option.role = "option";
    option.dataset.index = index;
    const parts = [["b", name], ["i", kind], ["span", about]];
    for (const [tag, text] of parts) {
      const part = document.createElement(tag);
      part.textContent = text;
      option.append(part, " ");
    }
    return option;
  }

  choose(index) {
    const every = [...this.list.children];
    this.active = (index + every.length) % every.length;
    for (const [at, option] of every.entries())
      option.setAttribute("aria-selected", at === this.active);
    every[this.active].scrollIntoView({ block: "nearest" });
    this.view.area.setAttribute("aria-activedescendant", `completion-${this.active}`);
  }

  take(index) {
    const [name, , kind] = this.offered.items[index];
    const { area } = this.view;
    const isCall = kind === "function" && area.value[area.selectionStart] !== "(";
    this.view.replace(this.offered.from, area.selectionStart, isCall ? `${name}()` : name);
    if (isCall) area.setSelectionRange(area.selectionStart - 1, area.selectionStart - 1);
    this.close();
  }

  close() {
    this.list.hidden = true;
    this.view.area.removeAttribute("aria-activedescendant");
  }

  key(event) {
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      this.offer(true);
      return;
    }
    if (!this.isOpen) return;
    const keys = {
      ArrowDown: () => this.choose(this.active + 1),
      ArrowUp: () => this.choose(this.active - 1),
      Enter: () => this.take(this.active),
      Escape: () => this.close(),
    };
    if (keys[event.key]) {
      event.preventDefault();
      event.stopImmediatePropagation();
      keys[event.key]();
    } else if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) this.close();
  }
}
