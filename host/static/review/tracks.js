// What is plotted, one track under the other. A series is a column of the timeline; a track without any is left out.

const PILOT = "#ffb224";
const DRIVER = "#f5f7f9";

export const TRACKS = [
  {
    title: "Steering", range: [-1, 1], height: 66, ends: ["left", "right"],
    series: [{ column: "recorded_steering", label: "driver", color: DRIVER }, { column: "steering", label: "pilot", color: PILOT }],
  },
  {
    title: "Throttle", range: [-1, 1], least: 0, height: 40,
    series: [{ column: "recorded_throttle", label: "driver", color: DRIVER }, { column: "throttle", label: "pilot", color: PILOT }],
  },
  {
    title: "Looks at", kind: "bands", height: 40,
    series: [
      { column: "left", label: "left", color: "#5b9dff" },
      { column: "centre", label: "front", color: "#53606d" },
      { column: "right", label: "right", color: "#ff9d3b" },
    ],
  },
  {
    title: "Distance", kind: "bands", height: 40,
    series: [
      { column: "bottom", label: "near", color: "#53606d" },
      { column: "middle", label: "mid", color: "#3fae7c" },
      { column: "top", label: "far", color: "#b493f5" },
    ],
  },
  {
    title: "Age", unit: "ms", range: [0, null], height: 40,
    series: [{ column: "age_ms", label: "all, ms", color: "#8fd3ff" }, { column: "pilot_ms", label: "pilot, ms", color: PILOT }],
  },
  { title: "Lost", kind: "bars", range: [0, null], height: 24, unit: "frames", series: [{ column: "lost", label: "before this", color: "#ff6b6b" }] },
];

/** The tracks that this recording has numbers for. */
export function tracksOf(recording) {
  const known = TRACKS.map((track) => ({ ...track, series: track.series.filter(({ column }) => recording.knows(column)) }));
  return known.filter(({ series }) => series.length);
}

/** Least and most of a column for each pixel: { low, high } of `width` numbers, NaN where no frame stands. */
export function envelope(recording, values, from, to, width) {
  const low = new Float32Array(width).fill(NaN);
  const high = new Float32Array(width).fill(NaN);
  const { ticks } = recording;
  const scale = width / (to - from);
  for (let at = Math.max(0, recording.indexAt(from)); at < ticks.length && ticks[at] <= to; at++) {
    const pixel = Math.floor((ticks[at] - from) * scale);
    const value = values[at];
    if (pixel < 0 || pixel >= width || !Number.isFinite(value)) continue;
    if (!(low[pixel] <= value)) low[pixel] = value;
    if (!(high[pixel] >= value)) high[pixel] = value;
  }
  return { low, high };
}

/** The largest finite number, at least `least`. */
export function most(values, least) {
  let top = least;
  for (const value of values) if (value > top && value < Infinity) top = value;
  return top;
}
