// Says what was deleted and takes it back. It goes away by itself, but not while somebody is about to use it.

import { part, say } from "../dom.js";

const STAYS_MS = 12_000;

export class Toast {
  #root;
  #undos = [];
  #timer = 0;

  constructor(root) {
    this.#root = root;
    part(root, "undo").addEventListener("click", () => this.undo());
    for (const event of ["pointerenter", "focusin"]) root.addEventListener(event, () => clearTimeout(this.#timer));
    for (const event of ["pointerleave", "focusout"]) root.addEventListener(event, () => this.#leaveLater());
  }

  /** `undo` is a function; the newest is undone first. */
  offer(text, undo) {
    this.#undos.push({ text, undo });
    this.#show();
  }

  async undo() {
    const last = this.#undos.pop();
    this.#show();
    await last?.undo();
  }

  #show() {
    const last = this.#undos.at(-1);
    this.#root.hidden = !last;
    if (last) say(part(this.#root, "said"), last.text);
    this.#leaveLater();
  }

  #leaveLater() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#undos = [];
      this.#show();
    }, STAYS_MS);
  }
}
