// What is drawn across the tracks: times, gaps, the part chosen for export, bookmarks, and where the picture stands.
// box: { x, y, width, height }; view: { from, to } in ticks.

import { clockTime } from "../format.js";

const STEPS_S = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const LABEL_PX = 76;

/** Times along the top of a box, as many as can be read. */
export function drawTimes(pen, box, { from, to }, hz) {
  const scale = box.width / (to - from);
  const step = STEPS_S.find((seconds) => seconds * hz * scale >= LABEL_PX) ?? 7200;
  const decimals = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
  pen.font = "11px ui-sans-serif, system-ui, sans-serif";
  pen.textBaseline = "top";
  const right = box.x + box.width;
  for (let at = Math.ceil(from / hz / step - 1e-9); at * step * hz <= to; at++) {
    const x = Math.round(box.x + (at * step * hz - from) * scale);
    pen.fillStyle = "rgb(255 255 255 / 0.09)";
    pen.fillRect(x, box.y, 1, box.height);
    pen.fillStyle = "#a9b4bf";
    if (x + 44 < right) pen.fillText(clockTime(at * step, decimals), x + 4, box.y + 1);
  }
}

let hatching = null;

/** Hatch the gaps that lie in view. */
export function drawGaps(pen, recording, box, { from, to }) {
  hatching ??= hatch();
  const scale = box.width / (to - from);
  for (const [before, after] of recording.gaps) {
    const [start, end] = [Math.max(from, before + recording.interval), Math.min(to, after)];
    if (end <= start) continue;
    const [x, width] = [box.x + (start - from) * scale, Math.max(2, (end - start) * scale)];
    pen.fillStyle = "rgb(255 107 107 / 0.12)";
    pen.fillRect(x, box.y, width, box.height);
    pen.fillStyle = pen.createPattern(hatching, "repeat");
    pen.fillRect(x, box.y, width, box.height);
  }
}

function hatch() {
  const tile = Object.assign(document.createElement("canvas"), { width: 8, height: 8 });
  const pen = tile.getContext("2d");
  pen.strokeStyle = "rgb(255 107 107 / 0.55)";
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
  }
  pen.stroke();
  return tile;
}

/** The part from `start` to `end`; null: not chosen, from the beginning or up to the end. */
export function drawRange(pen, [start, end], box, { from, to }) {
  if (start === null && end === null) return;
  const x = (tick) => box.x + Math.max(0, Math.min(1, (tick - from) / (to - from))) * box.width;
  const [left, right] = [x(start ?? -Infinity), x(end ?? Infinity)];
  pen.fillStyle = "rgb(70 224 138 / 0.12)";
  pen.fillRect(left, box.y, right - left, box.height);
  pen.fillStyle = "#46e08a";
  for (const [edge, tick] of [[left, start], [right, end]]) if (tick !== null && tick >= from && tick <= to) pen.fillRect(edge - 1, box.y, 2, box.height);
}

/** Flags on these ticks: bookmarks. */
export function drawFlags(pen, ticks, box, { from, to }) {
  for (const tick of ticks) {
    const x = box.x + ((tick - from) / (to - from)) * box.width;
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

/** Small marks along the bottom: moments that can be jumped to. */
export function drawMoments(pen, ticks, box, { from, to }) {
  pen.fillStyle = "rgb(143 211 255 / 0.8)";
  for (const tick of ticks) pen.fillRect(box.x + ((tick - from) / (to - from)) * box.width - 0.5, box.y + box.height - 5, 1.5, 5);
}

/** Shade what is not in view. */
export function drawFrame(pen, viewport, box, { from, to }) {
  const scale = box.width / (to - from);
  const left = viewport.from * scale;
  const right = Math.max(viewport.to * scale, left + 3);
  pen.fillStyle = "rgb(5 6 7 / 0.66)";
  pen.fillRect(0, 0, left, box.height);
  pen.fillRect(right, 0, box.width - right, box.height);
  pen.strokeStyle = "#a9b4bf";
  pen.strokeRect(left + 0.5, 0.5, Math.max(2, right - left - 1), box.height - 1);
}

/** Where the picture stands. */
export function drawCursor(pen, tick, { x, width, height }, { from, to }) {
  const at = x + ((tick - from) / (to - from)) * width;
  if (at < x - 1 || at > x + width + 1) return;
  pen.fillStyle = "#fff";
  pen.fillRect(Math.round(Math.min(at, x + width - 1)) - 0.5, 0, 1.5, height);
}
