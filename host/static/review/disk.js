// The disk: how much is left to record on, as time, and what takes the rest.

import { bytes, make, part, say } from "../dom.js";

const SOON_S = 3600;
const NOW_S = 600;

export function showDisk(root, disk) {
  root.hidden = false;
  const loose = disk.used_bytes - disk.kept_bytes - disk.trash_bytes;
  const other = disk.total_bytes - disk.free_bytes - disk.used_bytes;
  const shares = { other, kept: disk.kept_bytes, loose, trash: disk.trash_bytes };
  for (const [name, count] of Object.entries(shares)) {
    part(root, name).style.setProperty("--share", Math.max(0, count) / Math.max(1, disk.total_bytes));
  }
  const [left, unit] = room(disk);
  say(part(root, "left"), left);
  say(part(root, "left-unit"), unit);
  root.dataset.state = urgency(disk);
  part(root, "facts").replaceChildren(...facts(disk, loose).map(([kind, text]) => make("span", { className: kind }, text)));
}

const room = ({ seconds_left: left, room_bytes: count }) =>
  left === null ? [bytes(count), "left to record on"] : [long(left), "of recording left"];

function urgency({ seconds_left: left, seconds_to_stop: stop }) {
  if (stop !== null && stop < NOW_S) return "full";
  return left !== null && left < SOON_S ? "soon" : "well";
}

function facts(disk, loose) {
  const rate = disk.bytes_per_s ? `at ${bytes(disk.bytes_per_s)}/s, ` : "";
  const kept = disk.kept_bytes ? [["kept", `${bytes(disk.kept_bytes)} marked or live`]] : [];
  const trash = disk.trash_bytes ? [["trash", `${bytes(disk.trash_bytes)} in the trash`]] : [];
  const sessions = ["loose", `${bytes(loose)} of sessions`];
  return [["", `${rate}${disk.then}`], sessions, ...kept, ...trash, ["free", `${bytes(disk.free_bytes)} free`]];
}

/** Seconds as people plan with them: "40 min", "6 h 20 min", "12 days". */
export function long(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const days = Math.floor(minutes / 1440);
  return `${days} ${days === 1 ? "day" : "days"}`;
}
