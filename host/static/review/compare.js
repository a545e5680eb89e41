// Two sessions chosen to be watched side by side: the last two that were chosen.

import { part, say } from "../dom.js";
import { playerOf } from "./api.js";
import { nameOf } from "./names.js";

export class Compare {
  #root;
  #chosen = [];

  constructor(root) {
    this.#root = root;
    part(root, "clear").addEventListener("click", () => this.clear());
  }

  choose(row, on) {
    this.#chosen = this.#chosen.filter((one) => one !== row);
    row.choose(on);
    if (on) this.#chosen.push(row);
    while (this.#chosen.length > 2) this.#chosen.shift().choose(false);
    this.show();
  }

  toggle(row) {
    this.choose(row, !this.#chosen.includes(row));
  }

  clear() {
    for (const row of [...this.#chosen]) this.choose(row, false);
  }

  go() {
    if (this.#chosen.length === 2) part(this.#root, "go").click();
  }

  show() {
    const [one, other] = this.#chosen.map(({ session }) => session);
    this.#root.hidden = !one;
    if (!one) return;
    say(part(this.#root, "chosen"), other ? `${nameOf(one)} beside ${nameOf(other)}` : `${nameOf(one)} – choose another`);
    part(this.#root, "go").hidden = !other;
    if (other) part(this.#root, "go").href = playerOf(one.name, { other: other.name });
  }
}
