// Drawing a track onto a canvas: lines, bands and bars. Gaps are never bridged.

import { envelope, most } from "./tracks.js";

const SPARSE_PX = 3; // from this distance between frames on, every frame is drawn by itself

/** box: { x, y, width, height }; view: { from, to } in ticks. */
export function drawTrack(pen, recording, track, box, view) {
  pen.save();
  pen.beginPath();
  pen.rect(box.x, box.y, box.width, box.height);
  pen.clip();
  const draw = { bands, bars }[track.kind] ?? lines;
  draw(pen, recording, track, box, view);
  pen.restore();
}

/** The range a track is drawn in: its own, or as high as what is seen. */
export function rangeOf(recording, track, view) {
  const [low, high] = track.range ?? [0, 1];
  const seen = track.series.map(({ column }) => stretch(recording, recording.column(column), view));
  if (high === null) return [low, round(most(seen.map((values) => most(values, 0)), track.kind === "bars" ? 2 : 10))];
  if (track.least === undefined) return [low, high];
  const lowest = Math.min(...seen.map((values) => values.reduce((least, value) => (value < least ? value : least), 0)));
  return [lowest < track.least - 0.02 ? low : track.least, high];
}

function stretch(recording, values, { from, to }) {
  return values.subarray(recording.indexAt(from), recording.indexAt(to) + 1);
}

/** A round number that is no less. */
function round(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 5, 7.5, 10].find((step) => step * unit >= value) * unit;
}

function lines(pen, recording, track, box, view) {
  const [low, high] = rangeOf(recording, track, view);
  const y = (value) => box.y + 2 + (box.height - 4) * (1 - (Math.max(low, Math.min(high, value)) - low) / (high - low));
  if (low < 0) rule(pen, box, y(0));
  for (const { column, color } of track.series) {
    pen.strokeStyle = pen.fillStyle = color;
    pen.lineWidth = 1.4;
    const values = recording.column(column);
    if (isSparse(recording, box, view)) each(pen, recording, values, box, view, y);
    else dense(pen, recording, values, box, view, y);
  }
}

const isSparse = (recording, box, { from, to }) => (recording.interval / (to - from)) * box.width > SPARSE_PX / 3;

/** Every frame a point of the line; with room enough, the frame's time as a step and a dot. */
function each(pen, recording, values, box, { from, to }, y) {
  const { ticks } = recording;
  const scale = box.width / (to - from);
  const dots = recording.interval * scale > 3 * SPARSE_PX;
  pen.beginPath();
  let down = false;
  for (let at = Math.max(0, recording.indexAt(from)); at < ticks.length; at++) {
    const x = box.x + (ticks[at] - from) * scale;
    const torn = at > 0 && recording.gapAt((ticks[at - 1] + ticks[at]) / 2 + recording.interval / 2) && ticks[at] - ticks[at - 1] > 4 * recording.interval;
    if (!Number.isFinite(values[at])) down = false;
    else {
      if (down && !torn) pen.lineTo(x, y(values[at]));
      else pen.moveTo(x, y(values[at]));
      down = true;
      if (dots) pen.rect(x - 1.25, y(values[at]) - 1.25, 2.5, 2.5), pen.moveTo(x, y(values[at]));
    }
    if (ticks[at] > to) break;
  }
  pen.stroke();
}

function dense(pen, recording, values, box, view, y) {
  const width = Math.ceil(box.width);
  const { low, high } = envelope(recording, values, view.from, view.to, width);
  for (let x = 0; x < width; x++) {
    if (Number.isNaN(low[x])) continue;
    let [top, bottom] = [y(high[x]), y(low[x])];
    // Meet the neighbour, so that a steep line stays a line.
    if (x > 0 && !Number.isNaN(low[x - 1])) {
      top = Math.min(top, y(low[x - 1]));
      bottom = Math.max(bottom, y(high[x - 1]));
    }
    pen.fillRect(box.x + x, top - 0.6, 1, bottom - top + 1.2);
  }
}

function bands(pen, recording, track, box, view) {
  const width = Math.ceil(box.width);
  const scale = (view.to - view.from) / width;
  const columns = track.series.map(({ column }) => recording.column(column));
  for (let x = 0; x < width; x++) {
    const tick = view.from + (x + 0.5) * scale;
    if (tick > recording.endTick || tick < 0 || recording.gapAt(tick)) continue;
    const [first, last] = [recording.indexAt(tick - scale / 2), recording.indexAt(tick + scale / 2)];
    const shares = columns.map((values) => mean(values, first, last));
    const total = shares.reduce((sum, share) => sum + share, 0);
    if (!(total > 0)) continue;
    let top = box.y;
    shares.forEach((share, at) => {
      const height = (share / total) * box.height;
      pen.fillStyle = track.series[at].color;
      pen.fillRect(box.x + x, top, 1, height);
      top += height;
    });
  }
}

function mean(values, first, last) {
  const stride = Math.max(1, Math.floor((last - first + 1) / 16));
  let [sum, count] = [0, 0];
  for (let at = first; at <= last; at += stride) {
    if (Number.isFinite(values[at])) [sum, count] = [sum + values[at], count + 1];
  }
  return count ? sum / count : NaN;
}

function bars(pen, recording, track, box, view) {
  const [, high] = rangeOf(recording, track, view);
  const width = Math.ceil(box.width);
  for (const { column, color } of track.series) {
    const { high: tops } = envelope(recording, recording.column(column), view.from, view.to, width);
    pen.fillStyle = color;
    for (let x = 0; x < width; x++) {
      if (!(tops[x] > 0)) continue;
      const height = Math.max(3, (Math.min(high, tops[x]) / high) * (box.height - 2));
      pen.fillRect(box.x + x - 0.5, box.y + box.height - height, 2, height);
    }
  }
}

function rule(pen, box, y) {
  pen.fillStyle = "rgb(255 255 255 / 0.14)";
  pen.fillRect(box.x, Math.round(y), box.width, 1);
}
