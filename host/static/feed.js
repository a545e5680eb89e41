// Keeps one car's pictures coming: WebSocket where it works, MJPEG where it does not, and again WebSocket when it does.

import * as api from "./api.js";
import { Live } from "./live.js";
import { Mjpeg } from "./mjpeg.js";

const RETRY_MS = 700;
const REFUSALS = 2; // so many WebSockets that never opened, and MJPEG takes over
const RETRY_REFUSED_MS = 10_000;
const HIDDEN_MS = 15_000; // a page nobody sees asks for no pictures after this time

/** handlers: picture, given, state, problem, lost, mode("live" | "mjpeg") */
export class Feed {
  #car;
  #image;
  #handlers;
  #part = "overlay";
  #live = null;
  #mjpeg = null;
  #refusals = 0;
  #paused = false;
  #retry;
  #hide;

  constructor(car, image, handlers) {
    [this.#car, this.#image, this.#handlers] = [car, image, handlers];
    document.addEventListener("visibilitychange", () => this.#seen());
    this.#connect();
  }

  get clock() {
    return (this.#mjpeg ?? this.#live)?.clock;
  }

  show(part) {
    this.#part = part;
    this.#live?.show(part);
    this.#mjpeg?.show(part);
  }

  #connect() {
    clearTimeout(this.#retry);
    this.#live?.close();
    this.#live = new Live(this.#car, this.#part, {
      ...this.#handlers,
      state: (car) => this.#works(car),
      closed: (opened, reason) => this.#closed(opened, reason),
    });
  }

  #works(car) {
    this.#refusals = 0;
    if (this.#mjpeg) this.#leaveMjpeg();
    this.#handlers.state(car);
  }

  #closed(opened, reason) {
    this.#live = null;
    this.#refusals += !opened;
    if (!this.#mjpeg) {
      this.#handlers.lost(reason ? `The pit wall closed the connection: ${reason}.` : "No connection to the pit wall; trying again.");
    }
    this.#retry = setTimeout(() => this.#again(), this.#mjpeg ? RETRY_REFUSED_MS : RETRY_MS);
  }

  async #again() {
    // Where the pit wall does not answer at all, MJPEG would not help.
    const refused = this.#refusals >= REFUSALS && !this.#mjpeg && (await api.answers());
    if (this.#paused) return;
    if (refused) this.#enterMjpeg();
    this.#connect();
  }

  #enterMjpeg() {
    this.#mjpeg = new Mjpeg(this.#car, this.#part, this.#image, this.#handlers);
    this.#handlers.mode("mjpeg");
  }

  #leaveMjpeg() {
    this.#mjpeg.close();
    this.#mjpeg = null;
    this.#handlers.mode("live");
  }

  #seen() {
    clearTimeout(this.#hide);
    if (document.hidden) this.#hide = setTimeout(() => this.#pause(), HIDDEN_MS);
    else if (this.#paused) this.#resume();
  }

  #resume() {
    this.#paused = false;
    this.#connect();
  }

  #pause() {
    this.#paused = true;
    clearTimeout(this.#retry);
    this.#live?.close();
    this.#live = null;
    if (this.#mjpeg) this.#leaveMjpeg();
  }
}
