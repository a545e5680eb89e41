// Recording of one car: its two buttons, and what is known of its newest recording.

import * as api from "./api.js";
import { part, say, sayOrHide } from "./dom.js";
import { bytes, clockTime, counted } from "./format.js";

const FLASH_MS = 2500; // so long a bookmark is confirmed on the picture

export class Recorder {
  #car;
  #root;
  #problem;
  #buttons;
  #recording = null;
  #preRollS = 0;
  #flash;

  constructor(car, root, problem) {
    [this.#car, this.#root, this.#problem] = [car, root, problem];
    this.#buttons = { record: part(root, "record"), bookmark: part(root, "bookmark") };
    this.#buttons.record.addEventListener("click", () => this.toggle());
    this.#buttons.bookmark.addEventListener("click", () => this.bookmark());
  }

  toggle() {
    return this.#press("record", async () => this.#tell(await api.record(this.#car, this.#running ? "stop" : "start")));
  }

  /** Mark this moment; where nothing is being recorded the pit wall starts that, with the seconds before. */
  bookmark() {
    return this.#press("bookmark", async () => {
      const { bookmark, started, recording } = await api.bookmark(this.#car);
      this.#tell(recording);
      this.#confirm(`Bookmark at ${clockTime(bookmark.time_s)}${started ? ", recording now" : ""}`);
    });
  }

  /** What the pit wall knows of the car. */
  show({ recording, pre_roll_s: preRollS }) {
    this.#preRollS = preRollS;
    this.#tell(recording);
  }

  /** What has to be said above everything else: [{ key, text, grave }]. */
  get alarms() {
    const { error, trouble, name } = this.#recording ?? {};
    const alarms = [];
    if (error) alarms.push({ key: `${this.#car} error ${name}`, text: `${this.#car} is not being recorded: ${error}`, grave: true });
    if (trouble) alarms.push({ key: `${this.#car} trouble`, text: `${this.#car}: ${trouble}`, grave: false });
    return alarms;
  }

  get #running() {
    return Boolean(this.#recording?.running);
  }

  async #press(name, act) {
    const button = this.#buttons[name];
    if (button.disabled) return;
    button.disabled = true;
    try {
      await act();
      this.#problem("");
    } catch (error) {
      this.#problem(error.message);
    }
    button.disabled = false;
  }

  #tell(recording) {
    this.#recording = recording;
    const { record } = this.#buttons;
    record.setAttribute("aria-pressed", this.#running);
    say(part(record, "record-label"), this.#running ? "Stop" : "Record");
    const badge = part(this.#root, "rec");
    badge.classList.toggle("failed", Boolean(recording?.error));
    sayOrHide(badge, badgeOf(recording));
    this.#tellSession(recording);
  }

  #tellSession(recording) {
    const kept = Boolean(recording?.name);
    part(this.#root, "session").hidden = !kept;
    sayOrHide(part(this.#root, "hint"), kept ? "" : hintOf(this.#preRollS));
    sayOrHide(part(this.#root, "thrift"), recording?.thrift ?? "");
    if (!kept) return;
    say(part(this.#root, "saved"), factsOf(recording));
    const link = part(this.#root, "review");
    link.href = `/review/${encodeURIComponent(recording.name)}`;
    say(link, this.#running ? "Review so far" : "Review");
  }

  #confirm(text) {
    const flash = part(this.#root, "flash");
    clearTimeout(this.#flash);
    sayOrHide(flash, text);
    flash.getAnimations().forEach((animation) => animation.play());
    this.#flash = setTimeout(() => sayOrHide(flash, ""), FLASH_MS);
  }
}

function badgeOf(recording) {
  if (recording?.error) return "Not recording";
  if (!recording?.running) return "";
  const marks = recording.bookmarks ? ` ⚑ ${recording.bookmarks}` : "";
  return `REC ${clockTime(recording.duration_s)}${marks}`;
}

/** In one line where all is well; length and bookmarks of one that runs stand on the picture. */
function factsOf({ running, error, frames, dropped, bookmarks, gaps, written_bytes: size, duration_s: length }) {
  const facts = [
    !running && `${error ? "Stopped by itself after" : "Saved"} ${clockTime(length)}`,
    counted(frames, "frame"),
    bytes(size),
    !running && bookmarks && counted(bookmarks, "bookmark"),
    dropped && `${dropped} dropped`,
    gaps && counted(gaps, "gap"),
  ];
  return facts.filter(Boolean).join(" · ");
}

const hintOf = (preRollS) => `Either starts a recording${preRollS ? ` that begins ${Number(preRollS.toFixed(1))} s ago` : ""}.`;
