// The player's parts, kept together: what one of them says, the others are told.

import { part, say, sayOrHide } from "../dom.js";
import { clockTime } from "../format.js";
import { tellOther, tellSeconds } from "./address.js";
import { Bookmarks } from "./bookmarks.js";
import { Companions } from "./companions.js";
import { Deck } from "./deck.js";
import { Exports } from "./exports.js";
import { Jumper } from "./jumper.js";
import { showFrame, showSession } from "./known.js";
import { nameOf } from "./names.js";
import { Screens } from "./screens.js";
import { Sequel } from "./sequel.js";
import { Timeline } from "./timeline.js";
import { Transport } from "./transport.js";

export class Page {
  #root;
  #due = false;

  constructor(root, recording) {
    [this.#root, this.recording] = [root, recording];
    const { name, hz } = recording;
    const problem = (sentence) => sayOrHide(part(root, "problem"), sentence);
    this.problem = problem;
    this.screens = new Screens(root, recording, {
      moved: (tick, index) => this.deck.moved(tick, index),
      ended: () => this.deck.ended(),
      position: () => this.deck,
      compared: (other) => this.#compared(other),
      problem,
    });
    this.sequel = new Sequel(root);
    this.deck = new Deck(this.screens.main, this.screens.beside, {
      changed: () => this.#changed(),
      beyond: (direction) => this.sequel.offer(direction),
    });
    this.timeline = new Timeline(root, recording, {
      seek: (tick) => this.deck.seek(tick),
      scrubbing: (on) => this.deck.scrubbing(on),
      viewed: () => this.#tellSpan(),
    });
    this.jumper = new Jumper(root, recording, { goTo: (tick) => this.goTo(tick), found: (ticks) => this.timeline.point(ticks) });
    this.bookmarks = new Bookmarks(name, root, { seek: (seconds) => this.goTo(seconds * hz), changed: () => this.#marked(), problem });
    this.exports = new Exports(name, root, hz);
    this.companions = new Companions(root, name, recording, { chosen: (what) => this.screens.compare(what), problem });
    this.transport = new Transport(root, this.deck, this.#actions());
  }

  start(summary, seconds) {
    const { recording } = this;
    const tick = Math.max(0, Math.min(seconds * recording.hz, recording.lastTick));
    this.screens.main.tick = tick;
    [this.deck.tick, this.deck.index] = [tick, recording.indexAt(tick)];
    this.screens.start(summary);
    this.know(summary);
    this.grew();
  }

  /** What is said of the session, as the list knows it. */
  know(summary) {
    const title = nameOf(summary);
    say(document.getElementById("title"), title);
    document.title = `${title} · PilotLens`;
    this.screens.know(summary);
    this.bookmarks.show(summary.bookmarks);
    this.exports.offer(summary.has_frames);
    say(document.getElementById("facts"), showSession(this.#root, summary, this.recording.length));
  }

  /** The recording has more to show. */
  grew() {
    this.deck.grew();
    this.timeline.grew();
    this.screens.grew();
    this.jumper.find();
    this.transport.grew(this.recording);
    this.#root.dataset.recording = this.recording.recording;
    this.#tellSpan();
    this.#changed();
  }

  goTo(tick) {
    this.deck.seek(tick);
    this.timeline.viewport.reveal(tick);
  }

  jump(direction) {
    this.jumper.jump(this.deck.tick, direction);
  }

  bookmark() {
    this.bookmarks.add(Math.round((this.deck.tick / this.recording.hz) * 1000) / 1000);
  }

  /** The export "start"s or ends here. */
  select(which) {
    const { deck, exports, recording } = this;
    if (which === "start") exports.start(deck.tick);
    else exports.end(Math.min(recording.endTick, deck.tick + recording.interval / 2));
    this.timeline.select(exports.from, exports.to);
    this.#root.querySelector("[data-fold=export]").open = true;
  }

  toggleFull() {
    const stage = this.#root.querySelector(".stage");
    if (document.fullscreenElement) document.exitFullscreen();
    else stage.requestFullscreen?.();
  }

  #actions() {
    const { deck, timeline } = this;
    return {
      play: () => deck.toggle(),
      previous: () => deck.step(-1),
      next: () => deck.step(1),
      back: () => deck.skip(-1),
      forward: () => deck.skip(1),
      live: () => deck.follow(),
      "jump-back": () => this.jump(-1),
      "jump-on": () => this.jump(1),
      bookmark: () => this.bookmark(),
      "zoom-in": () => timeline.zoom(0.5),
      "zoom-out": () => timeline.zoom(2),
      "zoom-all": () => timeline.viewport.showAll(),
      in: () => this.select("start"),
      out: () => this.select("end"),
    };
  }

  #compared(other) {
    this.companions.tell(this.screens.besideMode);
    tellOther(other);
  }

  #marked() {
    this.timeline.flag(this.bookmarks.all.map(({ time_s: seconds }) => seconds * this.recording.hz));
    this.jumper.find(this.bookmarks.all);
  }

  #changed() {
    this.timeline.at(this.deck.tick, this.deck.playing);
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#tell();
    });
  }

  #tell() {
    const { deck, recording } = this;
    const seconds = deck.tick / recording.hz;
    const index = recording.gapAt(deck.tick) ? -1 : deck.index;
    this.#root.dataset.index = index < 0 ? "" : index;
    this.#root.dataset.playing = deck.playing;
    this.transport.tell(seconds, index);
    showFrame(this.#root, recording, deck.tick, index);
    if (!deck.playing) tellSeconds(seconds);
  }

  #tellSpan() {
    const { from, to } = this.timeline.viewport;
    say(part(this.#root, "span"), [from, to].map((tick) => clockTime(tick / this.recording.hz, 1)).join(" – "));
  }
}
