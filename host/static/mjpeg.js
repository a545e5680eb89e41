// One car without WebSocket: the browser plays the MJPEG stream, /state tells how old what it was given is.

import * as api from "./api.js";
import { HostClock } from "./clock.js";

const POLL_MS = 250;
const RETRY_MS = 2000;

/** handlers: given(frame, shown), state(car), lost(sentence) */
export class Mjpeg {
  #car;
  #part;
  #image;
  #handlers;
  #name = `page-${Math.random().toString(36).slice(2, 12)}`;
  #opened = 0;
  #openedMs = 0;
  #timers = new Set();
  clock = new HostClock();

  constructor(car, part, image, handlers) {
    [this.#car, this.#part, this.#image, this.#handlers] = [car, part, image, handlers];
    image.onerror = () => this.#later(() => this.show(this.#part), RETRY_MS);
    this.show(part);
    this.#poll();
  }

  show(part) {
    this.#part = part;
    this.#openedMs = performance.now();
    const name = `${this.#name}-${++this.#opened}`;
    this.#image.src = `/stream/${encodeURIComponent(this.#car)}.mjpg?part=${part}&name=${name}`;
  }

  close() {
    this.#handlers = null;
    this.#timers.forEach(clearTimeout);
    this.#image.onerror = null;
    this.#image.removeAttribute("src");
  }

  #later(action, ms) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (this.#handlers) action();
    }, ms);
    this.#timers.add(timer);
  }

  async #poll() {
    const askedMs = performance.now();
    try {
      const { now_ns: nowNs, cars } = await api.state();
      this.clock.add(askedMs, performance.now(), nowNs);
      const car = cars.find(({ name }) => name === this.#car);
      if (car) this.#tell(car);
    } catch (error) {
      this.#handlers?.lost(error.message);
    }
    this.#later(() => this.#poll(), POLL_MS);
  }

  #tell(car) {
    this.#handlers?.state(car);
    const own = car.watchers.find(({ name }) => name === `${this.#name}-${this.#opened}`);
    // A stream that ended leaves its last picture standing and tells nobody.
    if (!own && performance.now() - this.#openedMs > RETRY_MS) this.show(this.#part);
    if (own?.shown_captured_ns != null && car.frame) this.#handlers?.given(car.frame, own.shown_captured_ns);
  }
}
