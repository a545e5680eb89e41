// How a car draws its overlay: what is asked for goes to the car at once, what is shown is what the car draws with.

import * as api from "./api.js";
import { part, say } from "./dom.js";
import { LookForm } from "./lookform.js";

const SETTLE_MS = 1500; // so long a control stays where a hand put it, whatever the car says

export class Look {
  #car;
  #form;
  #pending;
  #problem;
  #inForce = null;
  #asked = new Map(); // field → { value, atMs }, until the car draws with it
  #unsent = {};
  #sending = false;

  constructor(car, form, problem) {
    [this.#car, this.#pending, this.#problem] = [car, part(form, "pending"), problem];
    this.#form = new LookForm(form, ({ name }) => this.#ask(name, this.#form.value(name)));
  }

  /** The settings the newest frame was drawn with. */
  show(look) {
    if (!this.#inForce) this.#form.enable(true);
    this.#inForce = look;
    for (const [name, { value, atMs }] of this.#asked) {
      if (look[name] === value || performance.now() - atMs > SETTLE_MS) this.#asked.delete(name);
    }
    for (const [name, value] of Object.entries(look)) {
      if (!this.#asked.has(name)) this.#form.put(name, value);
    }
    say(this.#pending, this.#asked.size ? "asking the car…" : "");
  }

  /** What the car's pilot can do, as its link tells. */
  offer(link) {
    this.#form.offer(link);
    if (this.#inForce) this.show(this.#inForce);
  }

  nextMethod() {
    this.#set("method", this.#form.after("method"));
  }

  nextTarget() {
    this.#set("target", this.#form.after("target"));
  }

  /** Move the strength by `step`. */
  strengthen(step) {
    this.#set("strength", this.#form.strengthened(step));
  }

  nextColours() {
    this.#set("colormap", this.#form.after("colormap"));
  }

  toggleGauges() {
    this.#set("gauges", !this.#form.value("gauges"));
  }

  #set(name, value) {
    if (!this.#inForce) return;
    this.#form.put(name, value);
    this.#ask(name, value);
  }

  #ask(name, value) {
    this.#asked.set(name, { value, atMs: performance.now() });
    this.#unsent[name] = value;
    if (!this.#sending) this.#send();
  }

  async #send() {
    this.#sending = true;
    try {
      while (Object.keys(this.#unsent).length) {
        const changes = this.#unsent;
        this.#unsent = {};
        await api.changeLook(this.#car, changes);
        this.#problem("");
      }
    } catch (error) {
      this.#problem(error.message);
      this.#asked.clear();
      if (this.#inForce) this.show(this.#inForce);
    }
    this.#sending = false;
  }
}
