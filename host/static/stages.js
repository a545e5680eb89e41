// Where the time between capture and screen went, stage by stage, calm enough to read.

import { make, part, say } from "./dom.js";
import { duration } from "./format.js";

const WEIGHT = 0.08; // of the newest frame in the shown mean

export class Stages {
  #mean = new Map();
  #rows = new Map();
  #root;

  constructor(root) {
    this.#root = root;
  }

  /** Times of one frame in ms, in the order of the data path. */
  add(stages) {
    for (const name of this.#mean.keys()) if (!stages.has(name)) this.#forget(name);
    for (const [name, ms] of stages) {
      const before = this.#mean.get(name);
      this.#mean.set(name, before === undefined ? ms : before + WEIGHT * (ms - before));
    }
    if (this.#rows.size !== stages.size) this.#build([...stages.keys()]);
  }

  draw() {
    const total = [...this.#mean.values()].reduce((sum, ms) => sum + ms, 0);
    if (!total) return;
    say(part(this.#root, "total"), precise(total));
    for (const [name, { segment, value }] of this.#rows) {
      segment.style.flexGrow = this.#mean.get(name) / total;
      say(value, precise(this.#mean.get(name)));
    }
  }

  #forget(name) {
    this.#mean.delete(name);
    this.#rows.clear();
  }

  #build(names) {
    this.#rows.clear();
    names.forEach((name, index) => {
      const segment = make("i");
      const swatch = make("i");
      for (const one of [segment, swatch]) one.style.setProperty("--shade", `${index / Math.max(1, names.length - 1)}`);
      const value = make("b");
      this.#rows.set(name, { segment, value, row: make("li", {}, swatch, make("span", { textContent: name }), value) });
    });
    part(this.#root, "bar").replaceChildren(...[...this.#rows.values()].map(({ segment }) => segment));
    part(this.#root, "stages").replaceChildren(...[...this.#rows.values()].map(({ row }) => row));
  }
}

const precise = (ms) => (ms < 9.95 ? `${ms.toFixed(1)} ms` : duration(ms));

/** The stages of `frame`, with what its own list leaves out, and then `here`: [name, ms] pairs on this side. */
export function stagesOf(frame, here) {
  const { network = 0, ...onCar } = frame.stages_ns;
  const known = Object.values(onCar).reduce((sum, ns) => sum + ns, 0);
  const other = frame.received_ns - frame.captured_ns - network - known;
  const all = [...Object.entries(onCar), ["other", Math.max(0, other)], ["network", network]];
  return new Map([...all.map(([name, ns]) => [name, ns / 1e6]), ...here]);
}
