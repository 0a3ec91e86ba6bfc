// The order pad: the drafts on it, and what a suggestion does to them, as an EHR would do it.

import { say } from "./page.js";

/** What a resource is called in a reference. */
export const sentAs = (resource) => `${resource.resourceType}/${resource.id}`;

/** What an order is called: by its own record. */
function label(resource) {
  const concept = resource.code ?? resource.medicationCodeableConcept ?? {};
  return concept.text ?? concept.coding?.find((item) => item.display)?.display ?? resource.resourceType;
}

export class Pad {
  /** `list` shows the drafts, `empty` stands there without any; `onChange` is told of removals. */
  constructor(list, empty, onChange) {
    Object.assign(this, { list, empty, onChange, drafts: [], added: 0, names: new WeakMap() });
  }

  /** Puts an order on the pad; `name` is what the reader chose it by. */
  add(resource, name) {
    this.put(resource, name);
    this.draw();
  }

  /** Does what a suggestion says: the pad changes, nothing else. */
  apply(suggestion) {
    const suggested = [];
    for (const { type, resource, resourceId } of suggestion.actions ?? []) {
      const name = type === "delete" ? resourceId : resource && sentAs(resource);
      if (type === "create") suggested.push(this.put(resource));
      if (type === "delete") this.drafts = this.drafts.filter((draft) => sentAs(draft) !== name);
      if (type === "update")
        this.drafts = this.drafts.map((draft) => (sentAs(draft) === name ? resource : draft));
    }
    this.draw(suggested);
  }

  put(resource, name) {
    const isTaken = this.drafts.some((draft) => draft.id === resource.id);
    const draft = { ...resource, id: resource.id && !isTaken ? resource.id : `draft-${++this.added}` };
    this.names.set(draft, name ?? label(draft));
    this.drafts.push(draft);
    return draft;
  }

  draw(suggested = []) {
    this.list.replaceChildren(...this.drafts.map((draft) => this.item(draft, suggested.includes(draft))));
    this.empty.hidden = this.drafts.length > 0;
  }

  item(draft, isSuggested) {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = this.names.get(draft) ?? label(draft);
    const type = document.createElement("small");
    type.textContent = draft.resourceType + (isSuggested ? ` · ${say("suggested")}` : "");
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "remove";
    remove.setAttribute("aria-label", say("remove", { what: name.textContent }));
    remove.textContent = "×";
    remove.addEventListener("click", () => this.remove(draft));
    item.append(name, type, remove);
    return item;
  }

  remove(draft) {
    const at = this.drafts.indexOf(draft);
    this.drafts = this.drafts.filter((other) => other !== draft);
    this.draw();
    const buttons = this.list.querySelectorAll(".remove");
    (buttons[Math.min(at, buttons.length - 1)] ?? this.empty).focus();
    this.onChange();
  }
}
