// One car on the wall: its picture, how fresh that is, and its controls.

import { part, say, sayOrHide } from "./dom.js";
import { Facts, losses } from "./facts.js";
import { Feed } from "./feed.js";
import { duration } from "./format.js";
import { ageOf, judge } from "./freshness.js";
import { Gauges } from "./gauges.js";
import { Look } from "./look.js";
import { Reading } from "./reading.js";
import { Recorder } from "./record.js";
import { Stages, stagesOf } from "./stages.js";

const PIXELS_FROM = 2; // from this enlargement on single pixels are shown as squares

export class Car {
  #feed;
  #shown = null; // the picture on screen: when it was captured, and by which clock we know
  #trouble = "";
  #lost = ""; // why there is no connection to the pit wall
  #problem = ""; // why a picture that came is not shown
  #staleAfterMs;
  #part = "overlay";

  constructor(name, template, staleAfterMs) {
    this.name = name;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.state = "waiting";
    this.#staleAfterMs = staleAfterMs;
    const complain = (sentence) => sayOrHide(part(this.element, "problem"), sentence);
    this.canvas = this.element.querySelector("canvas");
    this.image = this.element.querySelector(".picture img");
    this.look = new Look(name, part(this.element, "look"), complain);
    this.recorder = new Recorder(name, this.element, complain);
    this.stages = new Stages(this.element);
    this.gauges = new Gauges(this.element);
    this.reading = new Reading(this.element);
    this.facts = new Facts(part(this.element, "facts"));
    this.#label();
    this.#feed = new Feed(name, this.image, {
      picture: (bitmap, header, heardMs) => this.#paint(bitmap, header, heardMs),
      given: (frame, capturedNs) => this.#given(frame, capturedNs),
      state: (car) => this.#know(car),
      problem: (sentence) => (this.#problem = sentence),
      lost: (sentence) => (this.#lost = sentence),
      mode: (mode) => this.#mode(mode),
    });
  }

  /** Show another part: "overlay", "camera" or "mask". */
  show(name) {
    this.#part = name;
    this.#feed.show(name);
    for (const button of this.element.querySelectorAll("[data-part]")) {
      button.setAttribute("aria-pressed", button.dataset.part === name);
    }
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.element.requestFullscreen?.();
  }

  togglePixels() {
    this.element.classList.toggle("smooth");
  }

  /** Bring what depends on the time up to date. */
  tick(nowMs) {
    const age = this.#shown && ageOf(this.#shown, this.#feed.clock, nowMs);
    const { state, headline, reason } = judge(age ? age.ms : null, this.#staleAfterMs, {
      trouble: this.#trouble,
      problem: this.#lost || this.#problem,
    });
    this.state = this.element.dataset.state = state;
    say(part(this.element, "lamp"), state);
    say(part(this.element, "headline"), headline);
    say(part(this.element, "reason"), reason);
    say(part(this.element, "age"), age ? duration(age.ms) : "–");
    say(part(this.element, "error"), age ? ` ± ${duration(Math.ceil(age.errorMs))}` : "");
    this.stages.draw();
    this.#scale();
  }

  #label() {
    say(part(this.element, "name"), this.name);
    this.element.setAttribute("aria-label", `Car ${this.name}`);
    this.canvas.setAttribute("aria-label", `Live picture of ${this.name}`);
    for (const button of this.element.querySelectorAll("[data-part]")) {
      button.addEventListener("click", () => this.show(button.dataset.part));
    }
    part(this.element, "full").addEventListener("click", () => this.toggleFull());
  }

  #paint(bitmap, { frame, part: shown, sent_ns: sentNs }, heardMs) {
    const { canvas } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      this.element.style.setProperty("--aspect", bitmap.width / bitmap.height);
    }
    canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
    this.#shown = { capturedNs: frame.captured_ns, errorNs: frame.clock_error_ns, sentNs, heardMs };
    this.#problem = "";
    const heardHostMs = this.#feed.clock?.hostMs(heardMs) ?? sentNs / 1e6;
    this.#tellFrame(frame, shown, [
      ["host", (sentNs - frame.received_ns) / 1e6],
      ["web", Math.max(0, heardHostMs - sentNs / 1e6)],
      ["draw", performance.now() - heardMs],
    ]);
    if (this.state !== "live") this.tick(performance.now());
  }

  #given(frame, capturedNs) {
    this.#shown = { capturedNs, errorNs: frame.clock_error_ns, sentNs: capturedNs, heardMs: performance.now() };
    this.#problem = "";
    this.#tellFrame(frame, this.#part, []);
  }

  #tellFrame(frame, shown, here) {
    this.reading.show(frame, shown);
    this.stages.add(stagesOf(frame, here));
    this.gauges.show(frame.drive, frame.recorded);
    this.look.show(frame.look);
  }

  #know(car) {
    this.#trouble = car.link.trouble;
    this.#lost = "";
    say(part(this.element, "fps"), car.fps.toFixed(1));
    this.recorder.show(car);
    this.look.offer(car.link);
    this.facts.show(car);
    sayOrHide(part(this.element, "losses"), losses(car));
  }

  #mode(mode) {
    this.canvas.hidden = mode === "mjpeg";
    this.image.hidden = mode !== "mjpeg";
    say(part(this.element, "way"), mode === "mjpeg" ? "Capture to pit wall" : "Capture to screen");
    this.#shown = null;
  }

  #scale() {
    const width = this.canvas.hidden ? this.image.naturalWidth : this.canvas.width;
    const shown = this.canvas.hidden ? this.image : this.canvas;
    this.element.classList.toggle("enlarged", width > 0 && shown.clientWidth >= PIXELS_FROM * width);
  }
}
