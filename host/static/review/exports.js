// The export links, for all of a session or from here to there.

import { make, part, say } from "../dom.js";
import { clockTime } from "../format.js";
import { exportOf } from "./api.js";

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
    const query = {};
    const words = [["from", this.from, "start"], ["to", this.to, "end"]].map(([name, tick, open]) => {
      if (tick === null) return open;
      query[name] = (tick / this.#hz).toFixed(3);
      return clockTime(tick / this.#hz, 1);
    });
    say(part(this.#root, "range"), Object.keys(query).length ? words.join(" – ") : "all of it");
    for (const link of this.#links) link.href = exportOf(this.#name, { format: link.dataset.format, ...query });
  }
}
