// How a session is called, and when it was.

import { clockTime } from "../format.js";

const startOf = ({ started_unix_s: since }) => new Date(since * 1000);
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The day it was recorded, in this browser's time zone: "Monday, 23 November 2026". */
export const dayOf = (one) => DAY.format(startOf(one));
/** The time of day: "14:05:09". */
export const timeOf = (one) => TIME.format(startOf(one));
/** What people call it: its title, or car and time. */
export const nameOf = (one) => one.title || `${one.car} ${timeOf(one)}`;
/** The same with how long it is: "red 14:05:09 · 1:02". */
export const nameAndLength = (one) => `${nameOf(one)} · ${clockTime(one.duration_s)}`;
/** Of all sessions: the one that this one goes on from, and the one that goes on from it; undefined where there is none. */
export const neighboursOf = ({ name, follows }, sessions) => ({
  before: follows ? sessions.find((one) => one.name === follows) : undefined,
  after: sessions.find((one) => one.follows === name),
});

/** Where a session stands: "live", "unfinished" (left by a crash, not mended yet), or as its manifest says. */
export function standingOf({ recording, status }) {
  if (recording) return "live";
  return status === "recording" ? "unfinished" : status;
}
