// What the two places for pictures show: this session as film, recorded part or drawn anew; and beside it, if anything,
// another session or these frames drawn anew.

import { part, sayOrHide } from "../dom.js";
import * as api from "./api.js";
import { dayOf, nameOf } from "./names.js";
import { Recording } from "./recording.js";
import { RedrawForm } from "./redraw.js";
import { Slot } from "./slot.js";

const WORDS = { film: "as it was seen", camera: "camera", mask: "map" };
const REDRAW = "redraw";
const WITHOUT_FRAMES = "This session was recorded without single frames: only its video can be shown.";

export class Screens {
  mode = "film"; // or "camera", "mask", "redraw"
  besideMode = ""; // or the name of a session, or "redraw"
  #root;
  #recording;
  #handlers;
  #form;
  #other = null;
  #buttons;
  #shows = 0; // so many times something was asked for: what comes late is shown only if nothing else was
  #compares = 0;

  /** handlers: moved(tick, index), ended(), compared(what), position() → { tick, playing, rate }, problem(sentence) */
  constructor(root, recording, handlers) {
    [this.#root, this.#recording, this.#handlers] = [root, recording, handlers];
    this.main = new Slot(root.querySelector("[data-screen=main]"), handlers);
    this.beside = new Slot(root.querySelector("[data-screen=beside]"), { moved: () => {}, ended: () => {} });
    this.#form = new RedrawForm(root, { changed: () => this.#redrawn(), beside: () => this.compare(REDRAW) });
    this.#buttons = [...root.querySelectorAll("[data-parts] button")];
    for (const button of this.#buttons) button.addEventListener("click", () => this.show(button.dataset.part));
    part(root, "shift").addEventListener("input", () => this.besideMode && this.#showBeside());
    root.querySelector("[data-fold=look]").addEventListener("toggle", ({ target }) => target.open && this.#form.load());
  }

  /** Begin with what there is of this session. */
  start(summary) {
    this.know(summary);
    this.#form.begin(this.#recording.look, summary.pilot_sha256);
    this.grew();
    return this.show(this.#recording.video || !this.#recording.pictures.length ? "film" : "camera");
  }

  /** What is said of this session. */
  know(summary) {
    this.summary = summary;
    this.#name();
  }

  /** The recording has more to show. */
  grew() {
    const { pictures, video, length, recording, trouble } = this.#recording;
    const able = { film: Boolean(video), camera: pictures.includes("camera"), mask: pictures.includes("mask"), redraw: pictures.length > 0 };
    for (const button of this.#buttons) button.disabled = !able[button.dataset.part];
    part(this.#root, "beside").disabled = !able.redraw;
    const lacks = !video && !recording ? trouble : length && !pictures.length ? WITHOUT_FRAMES : "";
    sayOrHide(part(this.#root, "lacks"), lacks);
    this.beside.screen?.refresh();
  }

  /** Show the film, a recorded part, or frames drawn anew. */
  async show(mode) {
    if (this.#buttons.find(({ dataset }) => dataset.part === mode).disabled) return;
    const turn = ++this.#shows;
    if (mode === REDRAW && !(await this.#openForm())) return;
    if (turn !== this.#shows) return;
    this.mode = mode;
    for (const button of this.#buttons) button.setAttribute("aria-pressed", button.dataset.part === mode);
    this.main.show(this.#recording, this.#wish(mode), this.#handlers.position().rate);
    this.#name();
  }

  /** Show another session beside this one, "redraw" for these frames drawn anew, or nothing. */
  async compare(what) {
    const turn = ++this.#compares;
    let other = null;
    try {
      if (what === REDRAW && !(await this.#openForm())) what = "";
      if (what && what !== REDRAW) other = await opened(what);
    } catch (error) {
      this.#handlers.problem(`The session beside this one cannot be shown: ${error.message}`);
      what = "";
    }
    if (turn !== this.#compares) return;
    this.beside.clear();
    [this.besideMode, this.#other] = [what, other];
    if (what === REDRAW && this.mode === REDRAW) this.show("film");
    if (what) this.#showBeside();
    else this.beside.hide();
    this.#root.dataset.screens = what ? 2 : 1;
    for (const shown of ["shift-row", "about-shift"]) part(this.#root, shown).hidden = !what || what === REDRAW;
    this.#handlers.compared(what === REDRAW ? "" : what);
    this.#name();
  }

  /** Change how frames are drawn anew, and show that. */
  async redraw(change) {
    if (this.mode !== REDRAW && this.besideMode !== REDRAW) await this.show(REDRAW);
    if (this.#form.ready) change(this.#form);
  }

  async #openForm() {
    this.#root.querySelector("[data-fold=look]").open = true;
    await this.#form.load();
    return this.#form.ready;
  }

  #wish(mode) {
    if (mode === "film") return null;
    return mode === REDRAW ? this.#form.wish() : { part: mode };
  }

  #redrawn() {
    if (this.besideMode === REDRAW) this.#showBeside();
    else if (this.mode === REDRAW) this.main.show(this.#recording, this.#form.wish(), this.#handlers.position().rate);
    else if (this.#form.ready) this.show(REDRAW);
    this.#name();
  }

  #showBeside() {
    const { beside } = this;
    const own = this.besideMode === REDRAW;
    beside.shift = own ? 0 : (Number(part(this.#root, "shift").value) || 0) * this.#recording.hz;
    const { tick, playing, rate } = this.#handlers.position();
    if (own) beside.show(this.#recording, this.#form.wish(), rate);
    else beside.show(this.#other.recording, this.#other.recording.video ? null : { part: "camera" }, rate);
    beside.follow(tick, playing, rate);
  }

  #name() {
    this.main.name(this.besideMode ? nameOf(this.summary) : "", WORDS[this.mode] ?? this.#form.sentence);
    if (this.besideMode === REDRAW) this.beside.name("The same frames", this.#form.sentence);
    else if (this.#other) this.beside.name(nameOf(this.#other.summary), [this.#other.summary.pilot, dayOf(this.#other.summary)].filter(Boolean).join(" · "));
  }
}

/** Another session, with what is said of it. Throws a sentence. */
async function opened(name) {
  const recording = new Recording(name);
  const [summary] = await Promise.all([api.session(name), recording.refresh()]);
  if (!recording.length) throw new Error("it has no frame yet");
  return { recording, summary };
}
