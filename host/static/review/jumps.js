// Moments worth jumping to, found in what is plotted.

const SHARP = 0.35; // so much steering within
const SHARP_S = 0.35; // this time
const APART = 0.25; // so far from the driver
const TOGETHER_S = 1; // moments closer than this are one
const LOST = 3; // so many frames missing at once

/** Moments of one kind, as ticks in order: "bookmark", "sharp", "disagreement" or "gap". */
export function moments(kind, recording, bookmarks) {
  if (kind === "bookmark") return bookmarks.map(({ time_s: seconds }) => seconds * recording.hz).sort((a, b) => a - b);
  return { sharp, disagreement, gap }[kind]?.(recording) ?? [];
}

/** The first moment after (`direction` 1) or before (−1) a tick; null where there is none. */
export function nextMoment(ticks, tick, direction, slack) {
  const found = direction > 0 ? ticks.find((one) => one > tick + slack) : ticks.findLast((one) => one < tick - slack);
  return found ?? null;
}

function sharp(recording) {
  const steering = recording.column("steering");
  if (!steering) return [];
  const { ticks, hz } = recording;
  const strength = new Float32Array(ticks.length);
  let behind = 0;
  for (let at = 1; at < ticks.length; at++) {
    while (ticks[at] - ticks[behind] > SHARP_S * hz) behind++;
    strength[at] = behind < at ? Math.abs(steering[at] - steering[behind]) : 0;
  }
  return peaks(recording, strength, SHARP, "start");
}

function disagreement(recording) {
  const values = recording.column("disagreement");
  return values ? peaks(recording, values, APART, "top") : [];
}

function gap(recording) {
  const found = recording.gaps.map(([before]) => before);
  const lost = recording.column("lost");
  if (lost) recording.ticks.forEach((tick, at) => lost[at] >= LOST && found.push(tick));
  return thinned(found.sort((a, b) => a - b), recording);
}

/** Of each stretch above the threshold: where it starts, or where it is strongest. */
function peaks(recording, values, threshold, which) {
  const { ticks, hz } = recording;
  const found = [];
  let [best, last] = [-1, -Infinity];
  for (let at = 0; at < ticks.length; at++) {
    if (!(values[at] >= threshold)) continue;
    if (ticks[at] - last > TOGETHER_S * hz) {
      if (best >= 0) found.push(ticks[best]);
      best = at;
    } else if (which === "top" && values[at] > values[best]) best = at;
    last = ticks[at];
  }
  if (best >= 0) found.push(ticks[best]);
  return found;
}

function thinned(ticks, { hz }) {
  return ticks.filter((tick, at) => at === 0 || tick - ticks[at - 1] > (TOGETHER_S * hz) / 4);
}
