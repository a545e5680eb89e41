// What must not be overlooked, above everything else, until it is over or somebody has read it.

import { make, part, say } from "./dom.js";

export class Alarms {
  #root;
  #rows = new Map(); // key → element
  #read = new Set();

  constructor(root) {
    this.#root = root;
  }

  /** All there are now: [{ key, text, grave, href }]. One that was put away comes back only after it had been over. */
  show(alarms) {
    const keys = new Set(alarms.map(({ key }) => key));
    for (const key of this.#read) if (!keys.has(key)) this.#read.delete(key);
    for (const [key, row] of this.#rows) if (!keys.has(key) || this.#read.has(key)) this.#remove(key, row);
    for (const alarm of alarms) if (!this.#read.has(alarm.key)) this.#put(alarm);
    this.#root.hidden = this.#rows.size === 0;
  }

  #put({ key, text, grave, href }) {
    const row = this.#rows.get(key) ?? this.#add(key, href);
    row.classList.toggle("grave", grave);
    say(part(row, "text"), text);
  }

  #add(key, href) {
    const text = make("span");
    text.dataset.text = "";
    const away = make("button", { type: "button", className: "quiet", textContent: "×", ariaLabel: "Put away" });
    away.addEventListener("click", () => {
      this.#read.add(key);
      this.#remove(key, row);
    });
    const link = href ? [make("a", { href, textContent: "Make room" })] : [];
    const row = make("p", {}, text, ...link, away);
    this.#rows.set(key, row);
    this.#root.append(row);
    return row;
  }

  #remove(key, row) {
    row.remove();
    this.#rows.delete(key);
    this.#root.hidden = this.#rows.size === 0;
  }
}
