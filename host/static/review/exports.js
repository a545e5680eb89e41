// The export links, for all of a session or from here to there.

import { make, part, say } from "../dom.js";
import { shortTime } from "./paint.js";

const FORMATS = [
  ["mp4", "MP4", "The clip, every frame at its time"],
  ["gif", "GIF", "For a message or a README"],
  ["csv", "CSV", "One row per frame, all numbers"],
  ["tub", "Tub", "Donkeycar tub v2, to train with"],
  ["mcap", "MCAP", "Opens in Foxglove"],
];

export class Exports {
  from = null;
  to = null;
  #name;
  #root;
  #hz;
  #links;

  constructor(name, root, hz) {
    [this.#name, this.#root, this.#hz] = [name, root, hz];
    this.#links = FORMATS.map(([format, textContent, title]) => {
      const link = make("a", { className: "button", textContent, title, download: "" });
      link.dataset.format = format;
      return link;
    });
    part(root, "exports").append(...this.#links);
    this.#tell();
  }

  start(tick) {
    this.from = tick;
    if (this.to !== null && this.to <= tick) this.to = null;
    this.#tell();
  }

  end(tick) {
    this.to = tick;
    if (this.from !== null && this.from >= tick) this.from = null;
    this.#tell();
  }

  /** Without frames only what the video holds can be exported. */
  offer(hasFrames) {
    for (const link of this.#links) link.hidden = !hasFrames && !["mp4", "gif"].includes(link.dataset.format);
  }

  #tell() {
    const seconds = [this.from, this.to].map((tick) => (tick === null ? null : tick / this.#hz));
    const [from, to] = seconds.map((value) => value?.toFixed(3));
    const whole = from === undefined && to === undefined;
    say(part(this.#root, "range"), whole ? "all of it" : `${from === undefined ? "start" : shortTime(seconds[0], 0.1)} – ${to === undefined ? "end" : shortTime(seconds[1], 0.1)}`);
    for (const link of this.#links) {
      const query = new URLSearchParams({ format: link.dataset.format });
      if (from !== undefined) query.set("from", from);
      if (to !== undefined) query.set("to", to);
      link.href = `/sessions/${encodeURIComponent(this.#name)}/export?${query}`;
    }
  }
}
