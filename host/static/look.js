// How the overlay is drawn: what is asked for goes to the car at once, what is shown is what the car draws with.

import * as api from "./api.js";
import { part, say } from "./dom.js";
import { Methods, next } from "./methods.js";

const SETTLE_MS = 1500; // so long a control stays where a hand put it, whatever the car says

export class Look {
  #car;
  #form;
  #problem;
  #inForce = null;
  #asked = new Map(); // field → { value, atMs }, until the car draws with it
  #unsent = {};
  #sending = false;
  #methods;

  constructor(car, form, problem) {
    [this.#car, this.#form, this.#problem] = [car, form, problem];
    this.#methods = new Methods(form);
    form.addEventListener("input", ({ target }) => this.#ask(target.name, valueOf(target)));
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** The settings the newest frame was drawn with. */
  show(look) {
    if (!this.#inForce) this.#form.querySelector("fieldset").disabled = false;
    this.#inForce = look;
    for (const [name, { value, atMs }] of this.#asked) {
      if (look[name] === value || performance.now() - atMs > SETTLE_MS) this.#asked.delete(name);
    }
    for (const [name, value] of Object.entries(look)) {
      if (!this.#asked.has(name)) this.#put(name, value);
    }
    say(part(this.#form, "pending"), this.#asked.size ? "asking the car…" : "");
  }

  /** What the car's pilot can do, as its link tells. */
  offer(link) {
    this.#methods.offer(link);
    if (this.#inForce) this.show(this.#inForce);
  }

  nextMethod() {
    this.#set("method", next(this.#form.elements.method));
  }

  nextTarget() {
    this.#set("target", next(this.#form.elements.target));
  }

  /** Move the strength by `step`. */
  strengthen(step) {
    const { value } = this.#form.elements.strength;
    this.#set("strength", Math.min(1, Math.max(0, Math.round((Number(value) + step) * 100) / 100)));
  }

  nextColours() {
    this.#set("colormap", next(this.#form.elements.colormap));
  }

  toggleGauges() {
    this.#set("gauges", !this.#form.elements.gauges.checked);
  }

  #set(name, value) {
    if (!this.#inForce) return;
    this.#put(name, value);
    this.#ask(name, value);
  }

  #put(name, value) {
    const control = this.#form.elements[name];
    if (!control) return;
    if (control.type === "checkbox") control.checked = value;
    else if (control.value !== String(value)) control.value = value;
    this.#tell(control);
  }

  #tell(control) {
    const output = control.parentElement.querySelector("output");
    if (control.type === "range") say(output, Number(control.value).toFixed(2));
    if (control.name === "colormap") output.dataset.colormap = control.value;
    if (control.name === "method") this.#methods.tell();
  }

  #ask(name, value) {
    this.#tell(this.#form.elements[name]);
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

function valueOf(control) {
  if (control.type === "checkbox") return control.checked;
  return control.type === "range" ? Number(control.value) : control.value;
}
