// How frames are drawn anew: the form, and what the pilots on this pit wall can do.

import { make, part, sayOrHide } from "../dom.js";
import { LookForm } from "../lookform.js";
import * as api from "./api.js";

const DROVE = "the one that drove";

export class RedrawForm {
  pilots = null;
  #form;
  #root;
  #handlers;
  #recorded = null;
  #drove = "";

  /** handlers: changed(), beside() */
  constructor(root, handlers) {
    [this.#root, this.#handlers] = [root, handlers];
    const form = part(root, "look");
    this.#form = new LookForm(form, (control) => this.#changed(control.name));
    this.#form.enable(false);
    part(form, "as-recorded").addEventListener("click", () => this.reset());
    part(form, "beside").addEventListener("click", () => handlers.beside());
  }

  get ready() {
    return Boolean(this.#recorded) && this.pilots !== null;
  }

  /** Start from how it was recorded; `drove` is the sha256 of the pilot that drove. */
  begin(look, drove) {
    if (this.#recorded || !look) return;
    [this.#recorded, this.#drove] = [look, drove];
    this.#fill();
  }

  /** Ask what can be done, once it is needed. */
  async load() {
    if (this.pilots) return;
    try {
      this.pilots = await api.pilots();
    } catch (error) {
      sayOrHide(part(this.#root, "no-redraw"), error.message);
      return;
    }
    sayOrHide(part(this.#root, "no-redraw"), "");
    const options = this.pilots.map(({ name, sha256 }) => make("option", { value: sha256 }, sha256 === this.#drove ? `${name} (drove)` : name));
    if (!this.#known) options.unshift(make("option", { value: "" }, DROVE));
    this.#pilot.replaceChildren(...options);
    this.#form.enable(Boolean(this.#recorded));
    this.#choosePilot();
  }

  /** What the pictures shall look like, as parameters of a frame's address. */
  wish() {
    const wish = { part: "overlay" };
    for (const name of Object.keys(this.#recorded ?? {})) wish[name] = String(this.#form.value(name));
    if (this.#pilot.value) wish.pilot = this.#pilot.value;
    return wish;
  }

  /** The wish in words. */
  get sentence() {
    const drove = this.#pilot.value === this.#drove || !this.#pilot.value;
    const method = this.#form.control("method").selectedOptions[0]?.textContent ?? "";
    return drove ? method : `${this.#pilot.selectedOptions[0].textContent}: ${method}`;
  }

  reset() {
    if (!this.#recorded) return;
    this.#fill();
    if (this.pilots) this.#choosePilot();
    this.#handlers.changed();
  }

  nextOf(name) {
    this.#put(name, this.#form.after(name));
  }

  strengthen(step) {
    this.#put("strength", this.#form.strengthened(step));
  }

  get #pilot() {
    return this.#form.control("pilot");
  }

  get #known() {
    return this.pilots.some(({ sha256 }) => sha256 === this.#drove);
  }

  #choosePilot() {
    this.#pilot.value = this.#known ? this.#drove : "";
    this.#offer();
  }

  #put(name, value) {
    this.#form.put(name, value);
    this.#changed(name);
  }

  #changed(name) {
    if (name === "pilot") this.#offer();
    this.#handlers.changed();
  }

  #fill() {
    for (const [name, value] of Object.entries(this.#recorded)) this.#form.put(name, value);
  }

  #offer() {
    const chosen = this.pilots?.find(({ sha256 }) => sha256 === this.#pilot.value);
    if (chosen) this.#form.offer(chosen);
  }
}
