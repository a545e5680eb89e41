// The bookmarks of a session: shown, jumped to, renamed in place and removed.

import { make, part, say } from "../dom.js";
import { clockTime } from "../format.js";
import * as api from "./api.js";

export class Bookmarks {
  all = [];
  #name;
  #root;
  #list;
  #handlers;

  /** handlers: seek(seconds), changed(), problem(sentence) */
  constructor(name, root, handlers) {
    [this.#name, this.#root, this.#handlers] = [name, root, handlers];
    this.#list = part(root, "bookmarks");
  }

  show(bookmarks) {
    if (JSON.stringify(bookmarks) === JSON.stringify(this.all)) return;
    this.all = bookmarks;
    say(part(this.#root, "count"), bookmarks.length || "");
    part(this.#root, "no-bookmarks").hidden = bookmarks.length > 0;
    if (!this.#list.contains(document.activeElement) || document.activeElement.tagName !== "INPUT") this.#build();
    this.#handlers.changed();
  }

  /** A new one; its label can be typed at once. */
  async add(seconds) {
    const made = await this.#try(() => api.addBookmark(this.#name, seconds));
    if (!made) return;
    this.show([...this.all, made].sort((a, b) => a.time_s - b.time_s));
    this.#list.closest("details").open = true;
    this.#list.querySelector(`[data-id="${CSS.escape(made.id)}"] input`)?.focus();
  }

  #build() {
    this.#list.replaceChildren(...this.all.map((one) => this.#row(one)));
  }

  #row(one) {
    const time = make("button", { type: "button", className: "quiet", title: "Jump there" }, clockTime(one.time_s, 1));
    const label = make("input", { value: one.label, placeholder: "what happens here?", maxLength: 200 });
    label.setAttribute("aria-label", `Label of the bookmark at ${clockTime(one.time_s, 1)}`);
    const remove = make("button", { type: "button", className: "quiet", title: "Remove" }, "×");
    remove.setAttribute("aria-label", `Remove the bookmark at ${clockTime(one.time_s, 1)}`);
    time.addEventListener("click", () => this.#handlers.seek(one.time_s));
    label.addEventListener("change", () => this.#rename(one, label.value));
    label.addEventListener("keydown", (event) => {
      if (event.key === "Escape") label.value = one.label;
      if (event.key === "Escape" || event.key === "Enter") label.blur();
    });
    remove.addEventListener("click", () => this.#remove(one));
    const row = make("li", {}, time, label, remove);
    row.dataset.id = one.id;
    return row;
  }

  async #rename(one, label) {
    const changed = await this.#try(() => api.changeBookmark(this.#name, one.id, { label }));
    if (changed) this.show(this.all.map((other) => (other.id === one.id ? { ...other, label: changed.label ?? label } : other)));
  }

  async #remove(one) {
    if (await this.#try(() => api.removeBookmark(this.#name, one.id).then(() => true))) this.show(this.all.filter(({ id }) => id !== one.id));
  }

  async #try(action) {
    try {
      const answer = await action();
      this.#handlers.problem("");
      return answer;
    } catch (error) {
      this.#handlers.problem(error.message);
      return null;
    }
  }
}
