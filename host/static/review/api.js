// Requests about sessions, and their addresses.

import { blob, buffer, json } from "../request.js";

const TIMELINE_MS = 15_000; // an hour of it takes a while to read
const DRAWING_MS = 60_000; // and so do the slow methods

const of = (name) => `/api/sessions/${encodeURIComponent(name)}`;
const ofBookmark = (name, id) => `${of(name)}/bookmarks/${encodeURIComponent(id)}`;
const file = (name, rest) => `/sessions/${encodeURIComponent(name)}/${rest}`;

/** Everything: `{ sessions, trash, disk }`. */
export const all = () => json("/api/sessions");
export const session = (name) => json(of(name));
/** `body`: `{ title, marked }`, either or both. */
export const change = (name, body) => json(of(name), { method: "PATCH", body });
export const remove = (name) => json(of(name), { method: "DELETE" });
export const restore = (name) => json(`${of(name)}/restore`, { method: "POST" });
export const addBookmark = (name, timeS, label = "") => json(`${of(name)}/bookmarks`, { method: "POST", body: { time_s: timeS, label } });
/** `body`: `{ time_s, label }`, either or both. */
export const changeBookmark = (name, id, body) => json(ofBookmark(name, id), { method: "PATCH", body });
export const removeBookmark = (name, id) => json(ofBookmark(name, id), { method: "DELETE" });
/** What frames can be drawn anew with. */
export const pilots = () => json("/api/review/pilots");
/** The rows of the timeline from one on; recording.js knows what they mean. */
export const timeline = (name, from) => buffer(`${of(name)}/timeline?from=${from}`, { patienceMs: TIMELINE_MS });

export const videoOf = (name, version) => file(name, `overlay.mp4${version ? `?v=${encodeURIComponent(version)}` : ""}`);
export const tapeOf = (name) => file(name, "frames.mcap");
export const thumbnailOf = (name) => file(name, "thumbnail.jpg");
/** `query`: format, from and to. */
export const exportOf = (name, query) => file(name, `export?${new URLSearchParams(query)}`);

/** A frame as a JPEG; `wish`: how it shall look. What was recorded stays as it is, and may be kept by the browser. */
export const frame = (name, index, wish, cache) =>
  blob(file(name, `frames/${index}.jpg?${new URLSearchParams(wish)}`), { patienceMs: DRAWING_MS, cache });

/** Where a session is watched, at a time, or beside another one. */
export function playerOf(name, { other = "", seconds = null } = {}) {
  const beside = other ? `?with=${encodeURIComponent(other)}` : "";
  return `/review/${encodeURIComponent(name)}${beside}${seconds === null ? "" : `#t=${seconds}`}`;
}
