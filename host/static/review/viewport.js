// Which stretch of a recording is in view, in ticks: zoomed, moved, turned like a page while it plays.

const LEAST_FRAMES = 12; // as far as one can zoom in
const TURNED = 0.05; // so much of the stretch stands before what plays, after turning
const REACHED = 0.98; // and so much of it is behind when it is turned

export class Viewport {
  from = 0;
  to = 1;
  all = true; // it is the whole recording, also while that grows
  #recording;
  #changed;

  constructor(recording, changed) {
    [this.#recording, this.#changed] = [recording, changed];
  }

  /** Where the recording ends: its last frame, or its video's. */
  get end() {
    return Math.max(this.#recording.endTick, this.#recording.video?.end_tick ?? 0, 1);
  }

  get span() {
    return this.to - this.from;
  }

  /** All there is, as a view. */
  get whole() {
    return { from: 0, to: this.end };
  }

  /** The recording grew. */
  grew() {
    if (this.all) [this.from, this.to] = [0, this.end];
  }

  showAll() {
    this.all = true;
    this.grew();
    this.#changed();
  }

  /** Show `span` ticks from `from` on, as far as that can be. */
  show(from, span = this.span) {
    const room = this.end;
    const wide = Math.min(room, Math.max(span, Math.min(room, LEAST_FRAMES * this.#recording.interval)));
    const start = Math.max(0, Math.min(from, room - wide));
    this.all = wide >= room;
    [this.from, this.to] = [start, start + wide];
    this.#changed();
  }

  /** Zoom by `factor`; the tick `around` stays where it is. */
  scale(factor, around) {
    const span = this.span * factor;
    this.show(around - ((around - this.from) / this.span) * span, span);
  }

  /** Keep what plays in view. */
  follow(tick) {
    if (this.all || (tick >= this.from && tick <= this.from + REACHED * this.span)) return;
    this.show(tick - TURNED * this.span);
  }

  /** Bring a moment into view, if it is not. */
  reveal(tick) {
    if (!this.holds(tick)) this.show(tick - this.span / 2);
  }

  holds(tick) {
    return tick >= this.from && tick <= this.to;
  }
}
