// What this session can be compared with: nothing, its own frames drawn anew, or any other session.

import { make, part } from "../dom.js";
import * as api from "./api.js";
import { dayOf, nameAndLength } from "./names.js";

export class Companions {
  #select;
  #name;
  #recording;

  /** handlers: chosen(what), problem(sentence) */
  constructor(root, name, recording, handlers) {
    [this.#select, this.#name, this.#recording] = [part(root, "with"), name, recording];
    this.#select.addEventListener("change", () => handlers.chosen(this.#select.value));
    const fold = root.querySelector("[data-fold=compare]");
    fold.addEventListener("toggle", () => fold.open && this.offer().catch((error) => handlers.problem(error.message)));
    this.#fill([]);
  }

  /** List what there is by now. Throws a sentence. */
  async offer() {
    const { sessions } = await api.all();
    this.#fill(sessions.filter(({ name }) => name !== this.#name));
  }

  /** What is shown beside. */
  async tell(what) {
    if (what && !this.#has(what)) await this.offer().catch(() => {});
    this.#select.value = what;
  }

  #has(what) {
    return [...this.#select.options].some(({ value }) => value === what);
  }

  #fill(sessions) {
    const chosen = this.#select.value;
    const days = new Map();
    for (const one of sessions) days.set(dayOf(one), [...(days.get(dayOf(one)) ?? []), one]);
    const groups = [...days].map(([label, ones]) => make("optgroup", { label }, ...ones.map((one) => make("option", { value: one.name }, nameAndLength(one)))));
    const redraw = make("option", { value: "redraw", disabled: !this.#recording.pictures.length }, "these frames, re-drawn");
    this.#select.replaceChildren(make("option", { value: "" }, "nothing"), redraw, ...groups);
    this.#select.value = this.#has(chosen) ? chosen : "";
  }
}
