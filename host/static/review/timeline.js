// The timeline: an overview of the whole session, and under it the tracks of the stretch in view, in step with the picture.

import { LABELS_PX, scaleOf, sharesBeside, valuesAbove, valuesBeside } from "./labels.js";
import { Layers } from "./layers.js";
import { drawCursor, drawFlags, drawFrame, drawGaps, drawMoments, drawRange, drawTimes } from "./marks.js";
import { drawTrack, rangeOf } from "./paint.js";
import { Scrub } from "./scrub.js";
import { tracksOf } from "./tracks.js";
import { Viewport } from "./viewport.js";

const TIMES_PX = 16;
const HEAD_PX = 16; // of a track that has its values above it
const BETWEEN_PX = 6;
const NARROW_PX = 620;

export class Timeline {
  #recording;
  #overview;
  #plots;
  #scrub;
  #tick = 0;
  #bookmarks = [];
  #moments = [];
  #range = [null, null];
  #tracks = [];
  #due = false;
  #stale = true;

  /** handlers: seek(tick), scrubbing(on), viewed() */
  constructor(root, recording, handlers) {
    this.#recording = recording;
    this.#overview = new Layers(root.querySelector("[data-overview]"));
    this.#plots = new Layers(root.querySelector("[data-plots]"));
    this.viewport = new Viewport(recording, () => {
      handlers.viewed();
      this.#redraw();
    });
    this.#scrub = new Scrub([this.#overview, this.#plots], this.viewport, {
      tickAt: (layers, x) => this.#tickAt(layers, x),
      scrubbing: handlers.scrubbing,
      moved: (layers, tick) => {
        handlers.seek(Math.min(tick, recording.endTick));
        if (layers === this.#overview && !this.viewport.all) this.viewport.show(tick - this.viewport.span / 2);
      },
    });
    new ResizeObserver(() => this.#redraw()).observe(root);
  }

  /** The recording has more to draw. */
  grew() {
    this.viewport.grew();
    this.#redraw();
  }

  /** Where the picture stands. */
  at(tick, playing) {
    this.#tick = tick;
    if (playing && !this.#scrub.dragging) this.viewport.follow(tick);
    this.#later();
  }

  /** Bookmarks, as ticks. */
  flag(ticks) {
    this.#bookmarks = ticks;
    this.#redraw();
  }

  /** Moments that can be jumped to, as ticks. */
  point(ticks) {
    this.#moments = ticks;
    this.#redraw();
  }

  /** The part chosen for export; null where it is open. */
  select(from, to) {
    this.#range = [from, to];
    this.#redraw();
  }

  /** Zoom by `factor` around the picture that is shown. */
  zoom(factor) {
    const { viewport } = this;
    viewport.scale(factor, viewport.holds(this.#tick) ? this.#tick : (viewport.from + viewport.to) / 2);
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

  get #narrow() {
    return this.#plots.width < NARROW_PX;
  }

  #boxOf(layers) {
    const left = layers === this.#plots && !this.#narrow ? LABELS_PX : 0;
    return { x: left, y: 0, width: Math.max(1, layers.width - left), height: layers.height };
  }

  #viewOf(layers) {
    return layers === this.#overview ? this.viewport.whole : this.viewport;
  }

  #tickAt(layers, left) {
    const { x, width } = this.#boxOf(layers);
    const { from, to } = this.#viewOf(layers);
    return from + Math.max(0, Math.min(1, (left - x) / width)) * (to - from);
  }

  #draw() {
    const fitted = [this.#overview.fit(), this.#plots.fit()].some(Boolean);
    if (this.#stale || fitted) {
      this.#stale = false;
      this.#arrange();
      this.#drawOverview();
      this.#drawPlots();
    }
    for (const layers of [this.#overview, this.#plots]) drawCursor(layers.clear(1), this.#tick, this.#boxOf(layers), this.#viewOf(layers));
    this.#drawValues();
  }

  /** Give each track its place; the box is as high as they need. */
  #arrange() {
    this.#tracks = tracksOf(this.#recording);
    const head = this.#narrow ? HEAD_PX : 0;
    let y = TIMES_PX;
    for (const track of this.#tracks) {
      track.box = { ...this.#boxOf(this.#plots), y: y + head, height: track.height };
      y += track.height + head + BETWEEN_PX;
    }
    this.#plots.box.style.height = `${this.#tracks.length ? y : TIMES_PX}px`;
    this.#plots.fit();
  }

  #drawOverview() {
    const [pen, box, whole] = [this.#overview.clear(0), this.#boxOf(this.#overview), this.viewport.whole];
    drawTimes(pen, box, whole, this.#recording.hz);
    const track = this.#tracks.find(({ title }) => title === "Steering");
    if (track) drawTrack(pen, this.#recording, track, { ...box, y: TIMES_PX, height: box.height - TIMES_PX - 2 }, whole);
    this.#drawMarks(pen, box, whole);
    drawMoments(pen, this.#moments, box, whole);
    if (!this.viewport.all) drawFrame(pen, this.viewport, box, whole);
  }

  #drawPlots() {
    const [pen, area] = [this.#plots.clear(0), this.#boxOf(this.#plots)];
    drawTimes(pen, area, this.viewport, this.#recording.hz);
    for (const track of this.#tracks) {
      pen.fillStyle = "rgb(255 255 255 / 0.035)";
      pen.fillRect(track.box.x, track.box.y, track.box.width, track.box.height);
      drawTrack(pen, this.#recording, track, track.box, this.viewport);
    }
    this.#drawMarks(pen, area, this.viewport);
  }

  #drawMarks(pen, box, view) {
    drawGaps(pen, this.#recording, box, view);
    drawRange(pen, this.#range, box, view);
    drawFlags(pen, this.#bookmarks, box, view);
  }

  /** Names and present values, left of the tracks; on narrow screens above them. */
  #drawValues() {
    const pen = this.#plots.pen(1);
    const index = this.#recording.gapAt(this.#tick) ? -1 : this.#recording.indexAt(this.#tick);
    pen.textBaseline = "top";
    for (const track of this.#tracks) {
      const values = track.series.map((one) => ({ ...one, value: this.#recording.value(one.column, index) }));
      if (this.#narrow) valuesAbove(pen, track, values);
      else if (track.kind === "bands") sharesBeside(pen, track, values);
      else valuesBeside(pen, track, values);
      if (track.kind !== "bands" && !this.#narrow) scaleOf(pen, track, rangeOf(this.#recording, track, this.viewport));
    }
  }
}
