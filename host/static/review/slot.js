// One place for a picture: who it is of, the screen that shows it, and what covers it where there is none.

import { part, say, sayOrHide } from "../dom.js";
import { duration } from "../format.js";
import { FramesScreen } from "./framesscreen.js";
import { VideoScreen } from "./videoscreen.js";

const LOST_S = 0.4; // a screen that runs along and is this far off is put right at once
const NUDGE = 0.4; // less is made up for by playing so much faster or slower

export class Slot {
  screen = null;
  tick = 0;
  shift = 0; // ticks: where the other session stands when this one's leader is at 0
  #section;
  #picture;
  #recording = null;
  #mode = "";
  #outside = ""; // why the leader's moment is none of this recording's
  #handlers;

  /** handlers: moved(tick, index, passing), ended() */
  constructor(section, handlers) {
    [this.#section, this.#handlers] = [section, handlers];
    this.#picture = part(section, "picture");
  }

  get recording() {
    return this.#recording;
  }

  get mode() {
    return this.#mode;
  }

  name(who, what) {
    say(part(this.#section, "who"), who);
    say(part(this.#section, "what"), what);
  }

  /** Show a recording: its film (`wish` null), or its frames as wished. What plays goes on at this rate. */
  show(recording, wish, rate) {
    const mode = wish ? "frames" : "film";
    if (this.screen && recording === this.#recording && mode === this.#mode) {
      if (wish) this.screen.change(wish);
      return;
    }
    const playing = this.screen?.playing;
    this.clear();
    this.#section.hidden = false;
    [this.#recording, this.#mode] = [recording, mode];
    const handlers = {
      moved: (tick, index, passing = false) => this.#moved(tick, index, passing),
      ended: () => this.#handlers.ended(),
      wait: (sentence) => sayOrHide(part(this.#section, "wait"), sentence),
      trouble: (sentence) => sayOrHide(part(this.#section, "trouble"), sentence),
    };
    this.screen = wish ? new FramesScreen(this.#picture, recording, handlers, wish) : new VideoScreen(this.#picture, recording, handlers);
    this.screen.seek(this.tick);
    if (playing) this.screen.play(rate);
  }

  clear() {
    this.screen?.close();
    this.#picture.querySelector("video")?.remove();
    [this.screen, this.#recording, this.#outside] = [null, null, ""];
    for (const name of ["wait", "trouble", "cover"]) sayOrHide(part(this.#section, name), "");
  }

  hide() {
    this.clear();
    this.#section.hidden = true;
  }

  /** Go there; what covers the picture changes at once, the picture when it has come. */
  seek(tick) {
    this.tick = tick;
    this.#cover();
    this.screen.seek(tick);
  }

  /** Run along with a leader that stands at `tick` and plays at `rate`, or stands still. */
  follow(leader, playing, rate) {
    if (!this.screen) return;
    const { endTick, hz } = this.#recording;
    const tick = leader + this.shift;
    this.#outside = tick < 0 ? "Not begun yet" : tick >= endTick && !this.#recording.recording ? "Over" : "";
    const at = Math.max(0, Math.min(tick, this.#recording.lastTick + this.#recording.interval / 2));
    if (this.#mode === "frames" || !playing || this.#outside || rate < 0) {
      this.screen.pause();
      if (at !== this.tick || this.#mode === "frames") this.screen.seek(at);
      this.tick = at;
    } else {
      const late = (at - this.tick) / hz;
      if (Math.abs(late) > LOST_S * Math.max(1, rate)) {
        this.screen.seek(at);
        this.tick = at;
      }
      this.screen.play(rate * (1 + Math.max(-NUDGE, Math.min(NUDGE, late))));
    }
    this.#cover();
  }

  #moved(tick, index, passing) {
    this.tick = tick;
    this.#cover();
    this.#handlers.moved(tick, index, passing);
  }

  #cover() {
    const gap = this.#recording?.gapAt(this.tick);
    const missing = gap ? `No picture came for ${duration(((gap[1] - gap[0]) / this.#recording.hz) * 1000)}` : "";
    sayOrHide(part(this.#section, "cover"), this.#outside || missing);
  }
}
