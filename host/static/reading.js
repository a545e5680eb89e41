// How to read the picture: what its colours mean, and whether the map is worth believing.

import { part, sayOrHide, say } from "./dom.js";

const WORTH = 1.5; // a map that explains less than this times random is not to be believed

const ENDS = {
  steering: ["pushes left", "pushes right"],
  throttle: ["pushes slower", "pushes faster"],
  "steering-bin": ["against the chosen bin", "for it"],
  "throttle-bin": ["against the chosen bin", "for it"],
};

export class Reading {
  #root;

  constructor(root) {
    this.#root = part(root, "reading");
  }

  /** Of one frame, shown as "overlay", "camera" or "mask". */
  show({ mask, look, check, refused }, shown) {
    const mapped = shown !== "camera";
    this.#legend(mapped ? mask : null, look, shown);
    sayOrHide(part(this.#root, "refused"), mapped && refused ? `No map: ${refused}` : "");
    const line = part(this.#root, "check");
    sayOrHide(line, mapped && check ? sentence(check) : "");
    line.classList.toggle("doubtful", Boolean(check) && doubtful(check));
  }

  #legend(mask, look, shown) {
    const legend = part(this.#root, "legend");
    legend.hidden = !mask;
    if (!mask) return;
    const [less, more] = mask.signed ? ENDS[look.target] : ["nothing", "much"];
    say(part(legend, "less"), less);
    say(part(legend, "more"), more);
    part(legend, "ramp").dataset.colormap = shown === "mask" ? "grey" : mask.signed ? "signed" : look.colormap;
  }
}

const doubtful = ({ ratio, low }) => ratio < WORTH || low <= 1;
const times = (ratio) => ratio.toFixed(ratio < 99.5 ? 1 : 0);

function sentence(check) {
  const { ratio, low, high, frames } = check;
  const measured = `${times(low)}–${times(high)}, ${frames} frames`;
  if (low > 1) return `This map explains ${times(ratio)}× more than random (${measured})`;
  return `This map may explain no more than random: ${times(ratio)}× (${measured})`;
}
