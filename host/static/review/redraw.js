// How frames are drawn anew: the form, and what the pilots on this pit wall can do.

import { make, part, say, sayOrHide } from "../dom.js";
import { Methods, next } from "../methods.js";

const DROVE = "the one that drove";

export class RedrawForm {
  pilots = null;
  #form;
  #root;
  #methods;
  #handlers;
  #recorded = null;
  #drove = "";

  /** handlers: changed(), beside() */
  constructor(root, handlers) {
    [this.#root, this.#handlers] = [root, handlers];
    this.#form = part(root, "look");
    this.#methods = new Methods(this.#form);
    this.#form.addEventListener("input", ({ target }) => this.#changed(target));
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    part(this.#form, "as-recorded").addEventListener("click", () => this.reset());
    part(this.#form, "beside").addEventListener("click", () => handlers.beside());
    this.#form.querySelector("fieldset").disabled = true;
  }

  get ready() {
    return Boolean(this.#recorded) && this.pilots !== null;
  }

  /** Start from how it was recorded; `drove` is the sha256 of the pilot that drove. */
  begin(look, drove) {
    if (this.#recorded || !look) return;
    [this.#recorded, this.#drove] = [look, drove];
    this.#fill(look);
  }

  /** Ask what can be done, once. */
  async load() {
    if (this.pilots) return;
    try {
      const answer = await fetch("/api/review/pilots", { cache: "no-store" });
      if (!answer.ok) throw new Error((await answer.text()).slice(0, 600));
      this.pilots = await answer.json();
    } catch (error) {
      sayOrHide(part(this.#root, "no-redraw"), error.message);
      return;
    }
    const known = this.pilots.some(({ sha256 }) => sha256 === this.#drove);
    const options = this.pilots.map(({ name, sha256 }) => make("option", { value: sha256, textContent: sha256 === this.#drove ? `${name} (drove)` : name }));
    if (!known) options.unshift(make("option", { value: "", textContent: DROVE }));
    this.#form.elements.pilot.replaceChildren(...options);
    this.#form.elements.pilot.value = known ? this.#drove : "";
    this.#form.querySelector("fieldset").disabled = !this.#recorded;
    this.#offer();
  }

  /** What the pictures shall look like, as parameters of a frame's address. */
  wish() {
    const { elements } = this.#form;
    const wish = { part: "overlay" };
    for (const name of Object.keys(this.#recorded ?? {})) wish[name] = String(valueOf(elements[name]));
    if (elements.pilot.value) wish.pilot = elements.pilot.value;
    return wish;
  }

  /** The wish in words. */
  get sentence() {
    const { method, pilot } = this.#form.elements;
    const who = pilot.value === this.#drove || !pilot.value ? "" : `${pilot.selectedOptions[0].textContent}: `;
    return `${who}${method.selectedOptions[0]?.textContent ?? ""}`;
  }

  reset() {
    if (!this.#recorded) return;
    this.#fill(this.#recorded);
    if (this.pilots) this.#form.elements.pilot.value = this.pilots.some(({ sha256 }) => sha256 === this.#drove) ? this.#drove : "";
    this.#offer();
    this.#handlers.changed();
  }

  nextOf(name) {
    const control = this.#form.elements[name];
    control.value = next(control);
    this.#changed(control);
  }

  strengthen(step) {
    const { strength } = this.#form.elements;
    strength.value = Math.min(1, Math.max(0, Number(strength.value) + step));
    this.#changed(strength);
  }

  #changed(control) {
    this.#tell(control);
    if (control.name === "pilot") this.#offer();
    this.#handlers.changed();
  }

  #fill(look) {
    for (const [name, value] of Object.entries(look)) {
      const control = this.#form.elements[name];
      if (!control) continue;
      if (control.type === "checkbox") control.checked = value;
      else control.value = value;
      this.#tell(control);
    }
  }

  #offer() {
    const chosen = this.pilots?.find(({ sha256 }) => sha256 === this.#form.elements.pilot.value);
    if (chosen) this.#methods.offer(chosen);
    this.#methods.tell();
  }

  #tell(control) {
    const output = control.parentElement.querySelector("output");
    if (control.type === "range") say(output, Number(control.value).toFixed(2));
    if (control.name === "colormap") output.dataset.colormap = control.value;
    if (control.name === "method") this.#methods.tell();
  }
}

const valueOf = (control) => (!control ? "" : control.type === "checkbox" ? control.checked : control.value);
