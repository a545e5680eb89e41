// The disk: how much is left to record on, as time, and what takes the rest.

import { make, part, say } from "../dom.js";
import { bytes, planned } from "../format.js";
import { isFull, isShort, stopsSoon } from "../space.js";

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
  left === null ? [bytes(count), "left to record on"] : [planned(left), "of recording left"];

function urgency(disk) {
  if (isFull(disk) || stopsSoon(disk)) return "full";
  return isShort(disk) ? "soon" : "well";
}

function facts(disk, loose) {
  const rate = disk.bytes_per_s ? `at ${bytes(disk.bytes_per_s)}/s, ` : "";
  const kept = disk.kept_bytes ? [["kept", `${bytes(disk.kept_bytes)} marked or live`]] : [];
  const trash = disk.trash_bytes ? [["trash", `${bytes(disk.trash_bytes)} in the trash`]] : [];
  const sessions = ["loose", `${bytes(loose)} of sessions`];
  return [["", `${rate}${disk.then}`], sessions, ...kept, ...trash, ["free", `${bytes(disk.free_bytes)} free`]];
}
