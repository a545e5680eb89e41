// The timeline: an overview of the whole session, and under it the tracks of the stretch in view, in step with the picture.

import { LABELS_PX, scaleOf, sharesBeside, valuesAbove, valuesBeside } from "./labels.js";
import { context, drawGaps, drawTimes, drawTrack, fit, rangeOf } from "./paint.js";
import { tracksOf } from "./tracks.js";

const TIMES_PX = 16;
const BETWEEN_PX = 6;
const LEAST_FRAMES = 12; // as far as one can zoom in
const WHEEL = 0.0016;
const NARROW_PX = 620;

/** handlers: seek(tick), scrubbing(true or false), viewed() */
export class Plots {
  #recording;
  #handlers;
  #overview;
  #plots;
  #view = { from: 0, to: 1 };
  #all = true; // the view is the whole session, also while that grows
  #tick = 0;
  #bookmarks = [];
  #range = [null, null];
  #tracks = [];
  #marks = [];
  #due = false;
  #stale = true;
  #drag = null;

  constructor(root, recording, handlers) {
    [this.#recording, this.#handlers] = [recording, handlers];
    this.#overview = new Layers(root.querySelector("[data-overview]"));
    this.#plots = new Layers(root.querySelector("[data-plots]"));
    new ResizeObserver(() => this.#redraw()).observe(root);
    for (const layers of [this.#overview, this.#plots]) {
      layers.box.addEventListener("wheel", (event) => this.#wheel(layers, event), { passive: false });
      layers.box.addEventListener("pointerdown", (event) => this.#grab(layers, event));
      layers.box.addEventListener("pointermove", (event) => this.#move(layers, event));
      for (const end of ["pointerup", "pointercancel"]) layers.box.addEventListener(end, () => this.#drop());
      layers.box.addEventListener("dblclick", () => this.showAll());
    }
  }

  get view() {
    return this.#view;
  }

  /** There is more to draw, or something else. */
  refresh() {
    if (this.#all) this.#view = { from: 0, to: this.#end };
    this.#redraw();
  }

  /** Where the picture stands. */
  at(tick, playing) {
    this.#tick = tick;
    if (playing && !this.#drag) this.#follow(tick);
    this.#later();
  }

  mark(bookmarks) {
    this.#bookmarks = bookmarks;
    this.#redraw();
  }

  /** Moments that can be jumped to, drawn as ticks in the overview. */
  point(marks) {
    this.#marks = marks;
    this.#redraw();
  }

  select(from, to) {
    this.#range = [from, to];
    this.#redraw();
  }

  showAll() {
    this.#all = true;
    this.refresh();
    this.#handlers.viewed();
  }

  /** Zoom by `factor` around the picture that is shown. */
  zoom(factor) {
    const { from, to } = this.#view;
    const inside = this.#tick >= from && this.#tick <= to;
    this.#scale(factor, inside ? this.#tick : (from + to) / 2);
  }

  get #end() {
    return Math.max(this.#recording.endTick, this.#recording.video?.end_tick ?? 0, 1);
  }

  #redraw() {
    this.#stale = true;
    this.#later();
  }

  #later() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#draw();
    });
  }

  /** Keep what plays in view: turn the page when it leaves. */
  #follow(tick) {
    const { from, to } = this.#view;
    const span = to - from;
    if (this.#all || (tick >= from && tick <= from + 0.98 * span)) return;
    this.#show(tick - 0.05 * span, span);
  }

  /** Bring a moment into view, if it is not. */
  reveal(tick) {
    const { from, to } = this.#view;
    if (tick < from || tick > to) this.#show(tick - (to - from) / 2, to - from);
  }

  #show(from, span) {
    const room = this.#end;
    const wide = Math.min(room, Math.max(span, Math.min(room, LEAST_FRAMES * this.#recording.interval)));
    const start = Math.max(0, Math.min(from, room - wide));
    this.#all = wide >= room;
    this.#view = { from: start, to: start + wide };
    this.#handlers.viewed();
    this.#redraw();
  }

  #scale(factor, around) {
    const { from, to } = this.#view;
    const span = (to - from) * factor;
    this.#show(around - ((around - from) / (to - from)) * span, span);
  }

  #wheel(layers, event) {
    event.preventDefault();
    const { from, to } = this.#view;
    const lines = event.deltaMode === 1 ? 16 : 1;
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      this.#show(from + (sideways * lines * (to - from)) / 800, to - from);
      return;
    }
    this.#scale(Math.exp(Math.max(-300, Math.min(300, event.deltaY * lines)) * WHEEL), this.#tickAt(layers, event));
  }

  #boxOf(layers) {
    const left = layers === this.#plots && layers.width >= NARROW_PX ? LABELS_PX : 0;
    return { x: left, width: Math.max(1, layers.width - left) };
  }

  #viewOf(layers) {
    return layers === this.#overview ? { from: 0, to: this.#end } : this.#view;
  }

  #tickAt(layers, event) {
    const { x, width } = this.#boxOf(layers);
    const { from, to } = this.#viewOf(layers);
    const part = (event.clientX - layers.box.getBoundingClientRect().left - x) / width;
    return from + Math.max(0, Math.min(1, part)) * (to - from);
  }

  #grab(layers, event) {
    if (event.button) return;
    layers.box.setPointerCapture(event.pointerId);
    this.#drag = layers;
    this.#handlers.scrubbing(true);
    this.#move(layers, event);
  }

  #move(layers, event) {
    if (this.#drag !== layers) return;
    const tick = this.#tickAt(layers, event);
    this.#handlers.seek(Math.min(tick, this.#recording.endTick));
    if (layers === this.#overview && !this.#all) {
      const span = this.#view.to - this.#view.from;
      this.#show(tick - span / 2, span);
    }
  }

  #drop() {
    if (!this.#drag) return;
    this.#drag = null;
    this.#handlers.scrubbing(false);
  }

  #draw() {
    const fitted = [this.#overview.fit(), this.#plots.fit()].some(Boolean);
    if (this.#stale || fitted) {
      this.#stale = false;
      this.#arrange();
      this.#drawOverview();
      this.#drawPlots();
    }
    this.#drawCursor(this.#overview);
    this.#drawCursor(this.#plots);
    this.#drawValues();
  }

  /** Give each track its place; the box is as high as they need. */
  #arrange() {
    this.#tracks = tracksOf(this.#recording);
    let y = TIMES_PX;
    const stacked = this.#plots.width < NARROW_PX;
    for (const track of this.#tracks) {
      const head = stacked ? 16 : 0;
      track.box = { ...this.#boxOf(this.#plots), y: y + head, height: track.height };
      y += track.height + head + BETWEEN_PX;
    }
    this.#plots.box.style.height = `${this.#tracks.length ? y : TIMES_PX}px`;
    this.#plots.fit();
  }

  #drawOverview() {
    const pen = this.#overview.clear(0);
    const { width, height } = this.#overview;
    const whole = this.#viewOf(this.#overview);
    const box = { x: 0, y: 0, width, height };
    drawTimes(pen, box, whole, this.#recording.hz);
    const track = this.#tracks.find(({ title }) => title === "Steering");
    if (track) drawTrack(pen, this.#recording, track, { ...box, y: 16, height: height - 18 }, whole);
    drawGaps(pen, this.#recording, box, whole);
    this.#drawRange(pen, box, whole);
    const scale = width / (whole.to - whole.from);
    pen.fillStyle = "rgb(143 211 255 / 0.8)";
    for (const tick of this.#marks) pen.fillRect(tick * scale - 0.5, height - 5, 1.5, 5);
    this.#drawFlags(pen, box, whole);
    if (this.#all) return;
    const [left, right] = [this.#view.from * scale, Math.max(this.#view.to * scale, this.#view.from * scale + 3)];
    pen.fillStyle = "rgb(5 6 7 / 0.66)";
    pen.fillRect(0, 0, left, height);
    pen.fillRect(right, 0, width - right, height);
    pen.strokeStyle = "#a9b4bf";
    pen.strokeRect(left + 0.5, 0.5, Math.max(2, right - left - 1), height - 1);
  }

  #drawPlots() {
    const pen = this.#plots.clear(0);
    const area = { ...this.#boxOf(this.#plots), y: 0, height: this.#plots.height };
    drawTimes(pen, area, this.#view, this.#recording.hz);
    for (const track of this.#tracks) {
      pen.fillStyle = "rgb(255 255 255 / 0.035)";
      pen.fillRect(track.box.x, track.box.y, track.box.width, track.box.height);
      drawTrack(pen, this.#recording, track, track.box, this.#view);
    }
    drawGaps(pen, this.#recording, area, this.#view);
    this.#drawRange(pen, area, this.#view);
    this.#drawFlags(pen, area, this.#view);
  }

  #drawRange(pen, box, { from, to }) {
    const [start, end] = this.#range;
    if (start === null && end === null) return;
    const x = (tick) => box.x + Math.max(0, Math.min(1, (tick - from) / (to - from))) * box.width;
    const [left, right] = [x(start ?? 0), x(end ?? this.#end)];
    pen.fillStyle = "rgb(70 224 138 / 0.12)";
    pen.fillRect(left, box.y, right - left, box.height);
    pen.fillStyle = "#46e08a";
    for (const [edge, tick] of [[left, start], [right, end]]) if (tick !== null && tick >= from && tick <= to) pen.fillRect(edge - 1, box.y, 2, box.height);
  }

  #drawFlags(pen, box, { from, to }) {
    for (const { time_s: seconds } of this.#bookmarks) {
      const x = box.x + ((seconds * this.#recording.hz - from) / (to - from)) * box.width;
      if (x < box.x || x > box.x + box.width) continue;
      pen.fillStyle = "rgb(255 178 36 / 0.75)";
      pen.fillRect(x - 0.5, box.y, 1, box.height);
      pen.fillStyle = "#ffb224";
      pen.beginPath();
      pen.moveTo(x - 5, box.y);
      pen.lineTo(x + 5, box.y);
      pen.lineTo(x + 5, box.y + 7);
      pen.lineTo(x, box.y + 11);
      pen.lineTo(x - 5, box.y + 7);
      pen.fill();
    }
  }

  #drawCursor(layers) {
    const pen = layers.clear(1);
    const { x, width } = this.#boxOf(layers);
    const { from, to } = this.#viewOf(layers);
    const at = x + ((this.#tick - from) / (to - from)) * width;
    if (at < x - 1 || at > x + width + 1) return;
    pen.fillStyle = "#fff";
    pen.fillRect(Math.round(Math.min(at, x + width - 1)) - 0.5, 0, 1.5, layers.height);
  }

  /** Names and present values, left of the tracks; on narrow screens above them. */
  #drawValues() {
    const pen = this.#plots.pen(1);
    const index = this.#recording.indexAt(this.#tick);
    const stacked = this.#plots.width < NARROW_PX;
    const nothing = this.#recording.gapAt(this.#tick) !== null;
    pen.textBaseline = "top";
    for (const track of this.#tracks) {
      const values = track.series.map((one) => ({ ...one, value: nothing ? NaN : this.#recording.value(one.column, index) }));
      if (stacked) valuesAbove(pen, track, values);
      else if (track.kind === "bands") sharesBeside(pen, track, values);
      else valuesBeside(pen, track, values);
      if (track.kind !== "bands" && !stacked) scaleOf(pen, track, rangeOf(this.#recording, track, this.#view));
    }
  }
}

/** Two canvases on top of each other: what rarely changes, and what moves. */
class Layers {
  constructor(box) {
    this.box = box;
    this.canvases = [...box.querySelectorAll("canvas")];
  }

  get width() {
    return this.canvases[0].clientWidth;
  }

  get height() {
    return this.canvases[0].clientHeight;
  }

  fit() {
    return this.canvases.map(fit).some(Boolean);
  }

  pen(layer) {
    return context(this.canvases[layer]);
  }

  clear(layer) {
    const pen = this.pen(layer);
    pen.clearRect(0, 0, this.width, this.height);
    return pen;
  }
}
