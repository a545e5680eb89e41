// The row under the picture: buttons, and where the picture stands as time, frame and speed.

import { make, part, say } from "../dom.js";
import { clockTime } from "../format.js";
import { SPEEDS } from "./deck.js";

export class Transport {
  #root;
  #deck;

  /** actions: by the names in data-do. */
  constructor(root, deck, actions) {
    [this.#root, this.#deck] = [root, deck];
    for (const button of root.querySelectorAll("[data-do]")) button.addEventListener("click", actions[button.dataset.do]);
    part(root, "picture").addEventListener("click", actions.play);
    const speed = part(root, "speed");
    speed.append(...SPEEDS.map((value) => make("option", { value: String(value) }, `${value}×`)));
    speed.addEventListener("change", () => deck.setRate(Number(speed.value)));
  }

  /** The recording grew. */
  grew({ endTick, hz, recording }) {
    say(part(this.#root, "length"), `of ${clockTime(endTick / hz, 1)}`);
    this.#button("live").hidden = !recording;
    part(this.#root, "overview").setAttribute("aria-valuemax", Math.round(endTick / hz));
  }

  /** `index` −1: there is no picture. */
  tell(seconds, index) {
    const deck = this.#deck;
    say(part(this.#root, "time"), clockTime(seconds, 3));
    say(part(this.#root, "frame"), index < 0 ? "–" : index);
    const play = this.#button("play");
    say(play, deck.playing ? "❚❚" : "▶");
    play.setAttribute("aria-label", deck.playing ? "Pause" : "Play");
    part(this.#root, "speed").value = String(Math.abs(deck.rate));
    this.#button("live").setAttribute("aria-pressed", deck.following);
    const overview = part(this.#root, "overview");
    overview.setAttribute("aria-valuenow", Math.round(seconds));
    overview.setAttribute("aria-valuetext", clockTime(seconds));
  }

  #button(name) {
    return this.#root.querySelector(`[data-do=${name}]`);
  }
}
