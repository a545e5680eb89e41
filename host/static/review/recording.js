// One session's time: when its frames stand, what is plotted of them, its gaps. Grows while the session is recorded.

import * as api from "./api.js";

const HEAD_BYTES = 8;

/** Parse what /api/sessions/NAME/timeline answers (host/review/timeline.py). */
function parse(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEAD_BYTES || view.getUint32(0) !== 0x504c544c) throw new Error("The timeline came in a form this page does not know.");
  const size = view.getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, HEAD_BYTES, size)));
  const rows = head.frames - head.first;
  let at = HEAD_BYTES + size;
  const ticks = new Float64Array(buffer, at, rows);
  at += 8 * rows;
  const columns = new Map();
  for (const name of head.columns) {
    columns.set(name, new Float32Array(buffer, at, rows));
    at += 4 * rows;
  }
  return { head, ticks, columns };
}

/** `old` with `more` behind its first `length` numbers; room doubles, so that growing costs little. */
function extended(old, length, more) {
  const needed = length + more.length;
  let whole = old;
  if (needed > old.length) {
    whole = new old.constructor(Math.max(needed, length ? 2 * old.length : needed));
    whole.set(old.subarray(0, length));
  }
  whole.set(more, length);
  return whole;
}

export class Recording {
  length = 0;
  hz = 90_000;
  video = null;
  recording = false;
  trouble = "";
  gaps = [];
  events = [];
  pictures = [];
  look = null;
  startUnixS = null;
  #ticks = new Float64Array(0);
  #columns = new Map();
  #known = new Map();

  constructor(name) {
    this.name = name;
  }

  /** Fetch what there is, or what there is more by now; true if there is more. Throws with a sentence. */
  async refresh() {
    return this.#take(parse(await api.timeline(this.name, this.length)));
  }

  #take({ head, ticks, columns }) {
    if (head.first < this.length || (this.length && head.columns.length !== this.#columns.size)) {
      // It was mended, or what it is read from changed: begin anew with the next refresh.
      this.length = 0;
      this.#columns.clear();
      return true;
    }
    const changed = head.frames !== this.length || head.recording !== this.recording || head.video?.version !== this.video?.version;
    this.#ticks = extended(this.#ticks, this.length, ticks);
    for (const [name, values] of columns) this.#columns.set(name, extended(this.#columns.get(name) ?? new Float32Array(0), this.length, values));
    this.length = head.frames;
    Object.assign(this, { hz: head.ticks_hz, video: head.video, recording: head.recording, trouble: head.trouble });
    Object.assign(this, { gaps: head.gaps, events: head.events, pictures: head.pictures, look: head.look, startUnixS: head.start_unix_s });
    if (changed) this.interval = this.#interval();
    return changed;
  }

  /** What usually lies between two frames, in ticks. */
  interval = 3000;

  #interval() {
    const steps = [];
    const stride = Math.max(1, Math.floor(this.length / 500));
    for (let at = 1; at < this.length; at += stride) steps.push(this.#ticks[at] - this.#ticks[at - 1]);
    steps.sort((a, b) => a - b);
    return steps.length ? steps[steps.length >> 1] : 3000;
  }

  tickOf(index) {
    return this.length ? this.#ticks[Math.max(0, Math.min(this.length - 1, index))] : 0;
  }

  /** The frame on screen at this tick; −1 without frames. */
  indexAt(tick) {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ticks[middle] <= tick) low = middle + 1;
      else high = middle;
    }
    return Math.min(this.length - 1, Math.max(0, low - 1));
  }

  get lastTick() {
    return this.tickOf(this.length - 1);
  }

  /** Where the last frame ends. */
  get endTick() {
    return this.length ? this.lastTick + this.interval : 0;
  }

  /** The gap that this tick lies in, as [from, to] with no picture in between; null where there is a picture. */
  gapAt(tick) {
    for (const [before, after] of this.gaps) if (tick >= before + this.interval && tick < after) return [before + this.interval, after];
    return null;
  }

  /** Whether this column has a number for any frame; looked for once as long as the recording does not grow. */
  knows(name) {
    const [length, known] = this.#known.get(name) ?? [-1, false];
    if (known || length === this.length) return known;
    const found = this.column(name)?.some((value) => Number.isFinite(value)) ?? false;
    this.#known.set(name, [this.length, found]);
    return found;
  }

  /** The numbers of a column, as long as `length`; null where there is none. */
  column(name) {
    return this.#columns.get(name)?.subarray(0, this.length) ?? null;
  }

  value(name, index) {
    return index >= 0 ? this.#columns.get(name)?.[index] ?? NaN : NaN;
  }

  /** Whether the tape has no picture of this kind, "camera" or "mask", of this frame. */
  lacks(kind, index) {
    return this.value(kind, index) === 0;
  }

  get ticks() {
    return this.#ticks.subarray(0, this.length);
  }
}
