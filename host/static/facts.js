// Everything else that is known of a car, as a list of names and values.

import { make, say } from "./dom.js";
import { bytes, duration } from "./format.js";

const list = (values, show) => Object.entries(values ?? {}).map(([name, value]) => `${name} ${show(value)}`).join(", ");
const number = (value) => (typeof value === "number" ? Number(value.toPrecision(3)) : "–");

/** [name, value] pairs; empty values are left out. */
function factsOf({ link, frame, recording, watchers }) {
  return [
    ["Address", link.address],
    ["Source", link.source],
    ["Pilot", link.pilot],
    ["Frame", frame && `${frame.seq} · ${frame.width} × ${frame.height}`],
    ["Outputs", frame && list(frame.outputs, (values) => values.map(number).join(" "))],
    ["Mask", frame?.mask && `magnitude ${number(frame.mask.magnitude)}, scale ${number(frame.mask.scale)}`],
    ["Round trip", link.round_trip_ns != null && `${duration(link.round_trip_ns / 1e6)}, clock ± ${duration(link.clock_error_ns / 1e6)}`],
    ["Received", `${link.frames} frames, ${bytes(link.received_bytes)}`],
    ["Restarts", link.restarts],
    ["Session", recording?.name && recording.directory],
    ["Car", frame && health(frame.health)],
    ["Watching", watchers.map(watcher).join("\n")],
  ].filter(([, value]) => value && value !== "?");
}

function health({ temperature_c: celsius, throttled, memory_bytes: memory }) {
  const known = [celsius != null && `${celsius.toFixed(0)} °C`, memory != null && bytes(memory), throttled && `throttled 0x${throttled.toString(16)}`];
  return known.filter(Boolean).join(", ");
}

const watcher = ({ address, kind, part, fps, skipped }) => `${address} · ${kind} ${part} · ${fps.toFixed(0)} fps · ${skipped} skipped`;

/** What was lost on the way, by cause, as one line; empty when nothing was. */
export function losses({ link, frame, late }) {
  const all = { ...frame?.drops, "late at the pit wall": late, malformed: link.malformed };
  const lost = list(Object.fromEntries(Object.entries(all).filter(([, count]) => count)), (count) => count);
  return lost && `Dropped: ${lost}`;
}

export class Facts {
  #list;
  #rows = new Map();

  constructor(element) {
    this.#list = element;
  }

  show(car) {
    const facts = factsOf(car);
    if (facts.length !== this.#rows.size || facts.some(([name]) => !this.#rows.has(name))) this.#build(facts);
    for (const [name, value] of facts) say(this.#rows.get(name), value);
  }

  #build(facts) {
    this.#rows = new Map(facts.map(([name]) => [name, make("dd")]));
    this.#list.replaceChildren(...[...this.#rows].flatMap(([name, value]) => [make("dt", { textContent: name }), value]));
  }
}
