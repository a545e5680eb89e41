// Requests about sessions, and how a session is called. A refusal becomes an Error with the pit wall's own sentence.

const PATIENCE_MS = 8000;

async function request(path, method = "GET", body = undefined) {
  const options = { method, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) };
  if (body !== undefined) options.body = JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The pit wall does not answer.");
  }
  if (!answer.ok) throw new Error((await answer.text()).slice(0, 600) || `The pit wall answers ${answer.status}.`);
  return answer.json();
}

const of = (name) => `/api/sessions/${encodeURIComponent(name)}`;
const ofBookmark = (name, id) => `${of(name)}/bookmarks/${encodeURIComponent(id)}`;

/** Everything: `{ sessions, trash, disk }`. */
export const all = () => request("/api/sessions");
export const session = (name) => request(of(name));
/** `changes`: `{ title, marked }`, either or both. */
export const change = (name, changes) => request(of(name), "PATCH", changes);
export const remove = (name) => request(of(name), "DELETE");
export const restore = (name) => request(`${of(name)}/restore`, "POST");
export const addBookmark = (name, timeS, label = "") => request(`${of(name)}/bookmarks`, "POST", { time_s: timeS, label });
/** `changes`: `{ time_s, label }`, either or both. */
export const changeBookmark = (name, id, changes) => request(ofBookmark(name, id), "PATCH", changes);
export const removeBookmark = (name, id) => request(ofBookmark(name, id), "DELETE");

export const thumbnailOf = (name) => `/sessions/${encodeURIComponent(name)}/thumbnail.jpg`;

/** Where a session is watched, beside another one if there is. */
export function playerOf(name, other = null) {
  const beside = other === null ? "" : `?with=${encodeURIComponent(other)}`;
  return `/review/${encodeURIComponent(name)}${beside}`;
}

const startOf = ({ started_unix_s: since }) => new Date(since * 1000);
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The day it was recorded, in this browser's time zone: "Monday, 23 November 2026". */
export const dayOf = (one) => DAY.format(startOf(one));
/** The time of day: "14:05:09". */
export const timeOf = (one) => TIME.format(startOf(one));
/** What people call it: its title, or car and time. */
export const nameOf = (one) => one.title || `${one.car} ${timeOf(one)}`;
