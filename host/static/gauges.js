// Steering and throttle: a bar from the middle for the pilot, a tick for the driver who was recorded.

import { say } from "./dom.js";
import { signed } from "./format.js";

const clamp = (value) => Math.max(-1, Math.min(1, value));

export class Gauges {
  #gauges;

  constructor(root) {
    this.#gauges = [...root.querySelectorAll("[data-gauge]")];
  }

  /** Show what the pilot says and what the driver did; either may be null. */
  show(drive, recorded) {
    for (const gauge of this.#gauges) {
      const name = gauge.dataset.gauge;
      place(gauge.querySelector("u"), drive?.[name]);
      place(gauge.querySelector("s"), recorded?.[name]);
      const driver = recorded ? `  driver ${signed(recorded[name])}` : "";
      say(gauge.querySelector("output"), signed(drive?.[name]) + driver);
    }
  }
}

function place(mark, value) {
  mark.hidden = typeof value !== "number";
  if (!mark.hidden) mark.style.setProperty("--value", clamp(value));
}
