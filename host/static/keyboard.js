// The keys of a page, in one table: what is pressed, what it does, and how the list of keys (?) says it.
//
// A binding: { does: { key: (event) => … }, says, shown, once, alt }. Keys as in KeyboardEvent.key, in lower case.
// `shown` is listed instead of the keys themselves; `once`: held down it counts once; `alt`: also with the Alt key.

import { make } from "./dom.js";

const NAMES = { " ": "Space", arrowleft: "←", arrowright: "→", arrowup: "↑", arrowdown: "↓", delete: "Del", "-": "−" };
const TYPING = "textarea, select, input:not([type=checkbox], [type=range])";
const SLIDES = /^(arrow|page|home$|end$)/;

export class Keyboard {
  #dialog;
  #bound = new Map(); // key → { act, binding }
  #pointed = false; // the focus is where the mouse put it

  /** `note` may follow the list. */
  constructor(bindings, note = null) {
    const all = [...bindings, { does: { "?": () => this.#dialog.showModal() }, says: "this list" }];
    for (const binding of all) for (const [key, act] of Object.entries(binding.does)) this.#bound.set(key, { act, binding });
    this.#dialog = listOf(all, note);
    document.body.append(this.#dialog);
    document.getElementById("help").addEventListener("click", () => this.#dialog.showModal());
    document.addEventListener("keydown", (event) => this.#pressed(event));
    document.addEventListener("pointerdown", () => (this.#pointed = true), true);
    document.addEventListener("keydown", ({ key }) => (this.#pointed &&= key !== "Tab"), true);
    // Where the mouse chose from a list, keys are for the page again.
    document.addEventListener("change", ({ target }) => this.#pointed && target.matches("select") && target.blur());
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || this.#dialog.open) return;
    if (event.target.closest(TYPING)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const key = event.key.toLowerCase();
    const { act, binding } = this.#bound.get(key) ?? {};
    if (!act || (event.altKey && !binding.alt) || this.#belongs(key, event.target)) return;
    if (!(event.repeat && binding.once) && act(event) === false) return;
    event.preventDefault();
  }

  /** Whether the element that has the focus does something of its own with this key. */
  #belongs(key, target) {
    if (target.closest("input[type=range]")) return SLIDES.test(key);
    if (target.closest("input[type=checkbox]")) return key === " ";
    if (key === "enter") return target.closest("a, button, summary") !== null;
    return key === " " && !this.#pointed && target.closest("button, summary") !== null;
  }
}

function listOf(bindings, note) {
  const rows = bindings.flatMap(({ does, shown = Object.keys(does), says }) => [
    make("dt", {}, ...shown.flatMap((key) => [make("kbd", {}, NAMES[key] ?? (key.length > 1 ? key : key.toUpperCase())), " "])),
    make("dd", {}, says),
  ]);
  const close = make("form", { method: "dialog" }, make("button", {}, "Close"));
  const title = make("h2", { id: "keys-title" }, "Keys");
  const dialog = make("dialog", { id: "keys" }, title, make("dl", {}, ...rows), ...(note ? [note] : []), close);
  dialog.setAttribute("aria-labelledby", "keys-title");
  return dialog;
}
