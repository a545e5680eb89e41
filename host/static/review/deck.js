// What plays: one screen that leads, and maybe one beside it that runs along.

export const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4, 8];
const LIVE_S = 1.2; // so far behind the newest frame a session is followed while it is recorded
const BEHIND_S = 4; // further behind than this, it is caught up with

export class Deck {
  rate = 1;
  tick = 0;
  index = -1;
  following = false;
  #main;
  #beside;
  #handlers;
  #resume = false;

  /** handlers: changed(), beyond(direction): somebody wants to go on where there is no more */
  constructor(main, beside, handlers) {
    [this.#main, this.#beside, this.#handlers] = [main, beside, handlers];
  }

  get playing() {
    return Boolean(this.#main.screen?.playing);
  }

  get recording() {
    return this.#main.recording;
  }

  /** The leading screen says where it is. */
  moved(tick, index) {
    [this.tick, this.index] = [tick, index];
    this.#beside.follow(tick, this.playing, this.rate);
    this.#handlers.changed();
  }

  ended() {
    this.#beside.follow(this.tick, false, this.rate);
    this.#handlers.changed();
    this.#handlers.beyond(Math.sign(this.rate));
  }

  play(rate = this.rate) {
    this.rate = rate;
    const { lastTick, recording } = this.recording;
    if (rate > 0 && this.tick >= lastTick && !recording) this.seek(0);
    this.#main.screen.play(rate);
    this.#handlers.changed();
  }

  pause() {
    this.following = false;
    this.#main.screen.pause();
    this.#beside.follow(this.tick, false, this.rate);
    if (this.rate < 0) this.rate = 1;
    this.#handlers.changed();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play(Math.abs(this.rate));
  }

  seek(tick) {
    const { endTick, interval } = this.recording;
    this.tick = Math.max(0, Math.min(tick, endTick - interval / 2));
    this.index = this.recording.indexAt(this.tick);
    this.following = false;
    this.#main.seek(this.tick);
    this.#beside.follow(this.tick, this.playing, this.rate);
    this.#handlers.changed();
  }

  /** So many frames on or back, exactly. */
  step(frames) {
    if (this.playing) this.pause();
    this.#further(frames);
    this.seek(this.recording.tickOf(this.recording.indexAt(this.tick) + frames));
  }

  skip(seconds) {
    this.#further(seconds);
    this.seek(this.tick + seconds * this.recording.hz);
  }

  /** Say so where the way leads out of the recording. */
  #further(by) {
    const { length } = this.recording;
    const index = this.recording.indexAt(this.tick);
    if ((by > 0 && index === length - 1) || (by < 0 && index === 0)) this.#handlers.beyond(Math.sign(by));
  }

  /** To the first frame, or with a positive direction the last one. */
  toEnd(direction) {
    this.seek(direction > 0 ? this.recording.lastTick : 0);
  }

  /** Slower or faster, by so many of SPEEDS. */
  speed(steps) {
    const now = SPEEDS.findIndex((speed) => speed >= Math.abs(this.rate) - 1e-9);
    this.setRate(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, now + steps))]);
  }

  setRate(rate) {
    this.rate = rate;
    if (this.playing) this.#main.screen.play(rate);
    this.#handlers.changed();
  }

  /** J and L: play that way; again: faster. */
  shuttle(direction) {
    const same = this.playing && Math.sign(this.rate) === direction;
    const faster = SPEEDS.find((speed) => speed > Math.abs(this.rate)) ?? SPEEDS.at(-1);
    this.play(direction * (same ? faster : 1));
  }

  /** Stay at the newest frame of a session that is being recorded. */
  follow() {
    this.seek(this.recording.endTick - LIVE_S * this.recording.hz);
    this.play(1);
    this.following = true;
    this.#handlers.changed();
  }

  /** The recording grew. */
  grew() {
    this.#main.screen?.refresh();
    const { endTick, hz, recording } = this.recording;
    if (!this.following) return;
    if (!recording) this.following = false;
    else if (endTick - this.tick > BEHIND_S * hz) this.follow();
  }

  /** Hold still while a person drags, then go on. */
  scrubbing(on) {
    if (on) {
      this.#resume = this.playing;
      if (this.playing) this.pause();
    } else if (this.#resume) {
      this.play(Math.abs(this.rate));
    }
  }
}
