// Jumping from moment to moment of the kind that was chosen.

import { part, say } from "../dom.js";
import { moments, nextMoment } from "./jumps.js";

export class Jumper {
  #root;
  #recording;
  #handlers;
  #bookmarks = [];
  #ticks = [];

  /** handlers: goTo(tick), found(ticks): all moments but bookmarks */
  constructor(root, recording, handlers) {
    [this.#root, this.#recording, this.#handlers] = [root, recording, handlers];
    this.#kind.addEventListener("change", () => this.find());
  }

  /** Look for moments anew: there are other bookmarks, or more frames. */
  find(bookmarks = this.#bookmarks) {
    this.#bookmarks = bookmarks;
    const kind = this.#kind.value;
    this.#ticks = moments(kind, this.#recording, bookmarks);
    this.#handlers.found(kind === "bookmark" ? [] : this.#ticks);
    say(part(this.#root, "jumps"), this.#ticks.length || "none");
    for (const which of ["jump-back", "jump-on"]) this.#root.querySelector(`[data-do=${which}]`).disabled = !this.#ticks.length;
  }

  /** To the next moment after (`direction` 1) or before (−1) this tick. */
  jump(tick, direction) {
    const found = nextMoment(this.#ticks, tick, direction, this.#recording.interval / 2);
    if (found !== null) this.#handlers.goTo(found);
  }

  nextKind() {
    this.#kind.selectedIndex = (this.#kind.selectedIndex + 1) % this.#kind.options.length;
    this.find();
  }

  get #kind() {
    return part(this.#root, "jump");
  }
}
