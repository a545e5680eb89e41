// What is known of a session and of the frame that is shown, as lists of names and values.

import { make, part, say } from "../dom.js";
import { bytes } from "../format.js";
import { tapeOf, videoOf } from "./api.js";
import { dayOf, standingOf, timeOf } from "./names.js";

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 };
const COLUMN_OF = { Number: "seq", Apart: "disagreement", Network: "network_ms", "On car": "on_car_ms", Map: "magnitude", Drops: "drops", Car: "temperature_c" };
const known = (value, worded) => (Number.isFinite(value) ? worded(value) : "");

const STANDS = { live: "being recorded", unfinished: "left by a crash, not repaired yet" };

/** Fill the details; returns the line for the head of the page. */
export function showSession(root, summary, recordingLength) {
  const { name, car, pilot, reason, frames, dropped, marked } = summary;
  const standing = standingOf(summary);
  const state = [STANDS[standing] ?? standing, reason].filter(Boolean).join(": ");
  const rows = [
    ["Folder", name],
    ["State", state],
    ["Kept", marked && "marked: never removed to make room"],
    ["Frames", `${frames || recordingLength}${dropped ? `, ${dropped} dropped` : ""}`],
    ["Size", bytes(summary.bytes)],
    ["Car", car],
    ["Pilot", pilot],
  ].filter(([, value]) => value);
  const files = [make("a", { href: videoOf(name), download: `${name}.mp4` }, "overlay.mp4")];
  if (summary.has_frames) files.push(" ", make("a", { href: tapeOf(name), download: `${name}.mcap` }, "frames.mcap"));
  const list = rows.flatMap(([title, value]) => [make("dt", {}, title), make("dd", {}, String(value))]);
  part(root, "details").replaceChildren(...list, make("dt", {}, "Files"), make("dd", {}, ...files));
  return [car, pilot, `${dayOf(summary)}, ${timeOf(summary)}`, standing === "complete" ? "" : state].filter(Boolean).join(" · ");
}

/** Fill the list of what is known of a frame; `index` −1 for none. */
export function showFrame(root, recording, tick, index) {
  const rows = [
    ["Wall clock", recording.startUnixS === null ? null : new Date((recording.startUnixS + tick / recording.hz) * 1000).toLocaleTimeString("en-GB", CLOCK)],
    ["Number", known(recording.value("seq", index), (value) => value.toFixed(0))],
    ["Apart", known(recording.value("disagreement", index), (value) => `${value.toFixed(3)} from the driver`)],
    ["Network", known(recording.value("network_ms", index), (value) => `${value.toFixed(1)} ms`)],
    ["On car", known(recording.value("on_car_ms", index), (value) => `${value.toFixed(1)} ms`)],
    ["Map", known(recording.value("magnitude", index), (value) => `magnitude ${value.toPrecision(3)}`)],
    ["Drops", known(recording.value("drops", index), (value) => `${value.toFixed(0)} so far`)],
    ["Car", known(recording.value("temperature_c", index), (value) => `${value.toFixed(0)} °C`)],
    ["Noted", recording.events.filter((event) => Math.abs(event.tick - tick) < recording.hz / 2).map(({ text, kind }) => text || kind).join(", ")],
  ];
  const list = part(root, "now");
  if (list.childElementCount !== 2 * rows.length) list.replaceChildren(...rows.flatMap(([title]) => [make("dt", {}, title), make("dd")]));
  rows.forEach(([, value], at) => {
    say(list.children[2 * at + 1], value || "–");
    // What is known of no frame at all takes no room; what is missing on this one keeps its place.
    const hidden = !value && !recording.knows(COLUMN_OF[rows[at][0]]);
    list.children[2 * at].hidden = list.children[2 * at + 1].hidden = hidden;
  });
}
