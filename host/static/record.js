// The record button of one car, and what is known of its recording.

import * as api from "./api.js";
import { bytes, clockTime, part, say, sayOrHide } from "./dom.js";

export class Recorder {
  #car;
  #root;
  #problem;
  #button;
  #recording = null;

  constructor(car, root, problem) {
    [this.#car, this.#root, this.#problem] = [car, root, problem];
    this.#button = part(root, "record");
    this.#button.addEventListener("click", () => this.toggle());
  }

  async toggle() {
    if (this.#button.disabled) return;
    this.#button.disabled = true;
    try {
      this.show(await api.record(this.#car, this.#recording?.running ? "stop" : "start"));
      this.#problem("");
    } catch (error) {
      this.#problem(error.message);
    }
    this.#button.disabled = false;
  }

  /** The car's newest recording, or null. */
  show(recording) {
    this.#recording = recording;
    const running = Boolean(recording?.running);
    this.#button.setAttribute("aria-pressed", running);
    say(part(this.#root, "record-label"), running ? "Stop" : "Record");
    sayOrHide(part(this.#root, "rec"), running ? `REC ${clockTime(recording.duration_s)}` : "");
    const saved = part(this.#root, "saved");
    saved.classList.toggle("failed", Boolean(recording?.error));
    sayOrHide(saved, recording ? sentence(recording) : "");
  }
}

function sentence(recording) {
  const { directory, running, frames, dropped, written_bytes: size, duration_s: length, error } = recording;
  const lost = dropped ? `, ${dropped} dropped` : "";
  const facts = `${clockTime(length)}, ${frames} frames${lost}, ${bytes(size)}`;
  if (error) return `Recording stopped: ${error} (${facts}, in ${directory})`;
  return running ? `Recording ${facts} into ${directory}` : `Saved ${facts} in ${directory}`;
}
