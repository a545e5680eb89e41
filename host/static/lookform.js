// The form that says how the overlay is drawn: its values, and what is said beside its controls.

import { say } from "./dom.js";
import { Methods, next } from "./methods.js";

export class LookForm {
  #form;
  #methods;

  /** changed(control): a hand moved it. */
  constructor(form, changed) {
    this.#form = form;
    this.#methods = new Methods(form);
    form.addEventListener("input", ({ target }) => {
      this.#tell(target);
      changed(target);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** What can be asked for; see Methods.offer. */
  offer(known) {
    this.#methods.offer(known);
    this.#methods.tell();
  }

  enable(on) {
    this.#form.querySelector("fieldset").disabled = !on;
  }

  control(name) {
    return this.#form.elements[name];
  }

  /** What a control says: true or false, a number, or text. */
  value(name) {
    const control = this.control(name);
    if (control.type === "checkbox") return control.checked;
    return control.type === "range" ? Number(control.value) : control.value;
  }

  /** Set a control, where there is one for this. */
  put(name, value) {
    const control = this.control(name);
    if (!control) return;
    if (control.type === "checkbox") control.checked = value;
    else if (control.value !== String(value)) control.value = value;
    this.#tell(control);
  }

  /** The value after the chosen one among those that can be chosen. */
  after(name) {
    return next(this.control(name));
  }

  /** The strength, moved by `step`. */
  strengthened(step) {
    return Math.min(1, Math.max(0, Math.round((this.value("strength") + step) * 100) / 100));
  }

  #tell(control) {
    const output = control.parentElement.querySelector("output");
    if (control.type === "range") say(output, Number(control.value).toFixed(2));
    if (control.name === "colormap") output.dataset.colormap = control.value;
    if (control.name === "method") this.#methods.tell();
  }
}
