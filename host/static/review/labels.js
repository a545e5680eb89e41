// Names, present values and scales of the tracks: left of them, on narrow screens above them.

import { signed } from "../format.js";

export const LABELS_PX = 104;
const SMALL = "11px ui-sans-serif, system-ui, sans-serif";
const BOLD = "600 12px ui-sans-serif, system-ui, sans-serif";
const LINE_PX = 13;

/** The words in the colours of their bands, each with its share under it. */
export function sharesBeside(pen, { title, unit, box, kind }, values) {
  pen.font = BOLD;
  pen.fillStyle = "#f5f7f9";
  pen.fillText(title, 0, box.y);
  pen.font = SMALL;
  let x = 0;
  for (const { label, color, value } of values) {
    pen.fillStyle = legible(color);
    pen.fillText(label, x, box.y + 15);
    pen.fillText(worded(value, unit, kind).replace(" %", "%"), x, box.y + 28);
    x += LABELS_PX / values.length - 1;
  }
}

/** A band may be dark where its word may not. */
const legible = (color) => (color === "#53606d" ? "#8b98a5" : color);

export function valuesBeside(pen, { title, unit, box, kind }, values) {
  pen.font = BOLD;
  pen.fillStyle = "#f5f7f9";
  pen.fillText(title, 0, box.y);
  pen.font = SMALL;
  const rows = values.slice(0, Math.floor((box.height - 12) / LINE_PX) || 1);
  const beside = box.height < 30;
  rows.forEach(({ label, color, value }, at) => {
    const y = beside ? box.y + 13 : box.y + 15 + at * LINE_PX;
    pen.fillStyle = legible(color);
    pen.textAlign = "left";
    pen.fillText(label, 0, y);
    pen.textAlign = "right";
    pen.fillText(worded(value, unit, kind), LABELS_PX - 30, y);
  });
  pen.textAlign = "left";
}

export function valuesAbove(pen, { title, unit, box, kind }, values) {
  pen.font = BOLD;
  pen.fillStyle = "#f5f7f9";
  pen.fillText(title, 2, box.y - 15);
  let x = pen.measureText(title).width + 14;
  pen.font = SMALL;
  for (const { label, color, value } of values) {
    const text = `${label} ${worded(value, unit, kind)}`;
    pen.fillStyle = legible(color);
    pen.fillText(text, x, box.y - 14);
    x += pen.measureText(text).width + 12;
  }
}

export function scaleOf(pen, { box, ends }, [low, high]) {
  pen.font = "10px ui-sans-serif, system-ui, sans-serif";
  pen.fillStyle = "#6d7883";
  pen.textAlign = "right";
  pen.fillText(ends?.[1] ?? tidy(high), box.x - 4, box.y);
  if (box.height > 30) pen.fillText(ends?.[0] ?? tidy(low), box.x - 4, box.y + box.height - 11);
  pen.textAlign = "left";
}

const tidy = (value) => String(Number(value.toPrecision(2))).replace("-", "−");

function worded(value, unit, kind) {
  if (!Number.isFinite(value)) return "–";
  if (kind === "bands") return `${Math.round(value * 100)} %`;
  if (kind === "bars") return String(value);
  if (unit === "ms") return value < 9.95 ? value.toFixed(1) : value.toFixed(0);
  return signed(value);
}
