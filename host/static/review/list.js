// The list of sessions: asks for it every few seconds, keeps one Row per session, and puts them under their days.

import { make, say, sayOrHide } from "../dom.js";
import { Keyboard } from "../keyboard.js";
import * as api from "./api.js";
import { Compare } from "./compare.js";
import { showDisk } from "./disk.js";
import { Filter } from "./filter.js";
import { keysOf } from "./listkeys.js";
import { dayOf, nameOf } from "./names.js";
import { Row } from "./row.js";
import { Toast } from "./toast.js";

const POLL_MS = 3000;
const TICK_MS = 500;

const byId = (id) => document.getElementById(id);
const place = byId("sessions");
const template = byId("row");
const toast = new Toast(byId("toast"));
const compare = new Compare(byId("compare"));
const filter = new Filter(byId("filter"), () => lay());
const rows = new Map();
const actions = { change, remove, restore, choose: (row, on) => compare.choose(row, on), left: () => lay() };
let known = null;
let laid = "";

/** What the list shows, in its order: what is being recorded, then the newest first. */
function wanted() {
  const all = (filter.trash ? known.trash : known.sessions).filter((one) => filter.matches(one));
  return [...all.filter((one) => one.recording), ...all.filter((one) => !one.recording)];
}

function rowOf(session) {
  if (!rows.has(session.name)) rows.set(session.name, new Row(template, actions));
  const row = rows.get(session.name);
  row.show(session, filter.trash, known.sessions.find(({ name }) => name === session.follows));
  return row;
}

/** Bring the page up to what is known; rows move only when they have to, and never under a hand that types. */
function lay() {
  if (!known) return;
  filter.offer([...known.sessions, ...known.trash]);
  const shown = wanted();
  const order = JSON.stringify([filter.trash, shown.map((one) => [one.name, headingOf(one)])]);
  const list = shown.map(rowOf);
  say(byId("count"), counted(shown.length));
  compare.show();
  if (order === laid || list.some(({ renaming }) => renaming)) return;
  laid = order;
  const focused = document.activeElement;
  place.replaceChildren(...underDays(shown, list), ...(shown.length ? [] : [nothing()]));
  if (place.contains(focused)) focused.focus({ preventScroll: true });
}

const headingOf = (one) => (one.recording ? "Being recorded" : dayOf(one));

function underDays(shown, list) {
  const elements = [];
  let day = "";
  shown.forEach((one, at) => {
    if (headingOf(one) !== day) elements.push(make("h2", { textContent: (day = headingOf(one)) }));
    elements.push(list[at].element);
  });
  return elements;
}

function counted(shown) {
  const all = filter.trash ? known.trash.length : known.sessions.length;
  const what = filter.trash ? "in the trash" : all === 1 ? "session" : "sessions";
  return shown === all ? `${all} ${what}` : `${shown} of ${all} ${what}`;
}

function nothing() {
  if (filter.trash) return make("p", { className: "notice", textContent: "The trash is empty." });
  if (known.sessions.length) return make("p", { className: "notice", textContent: "No session is like that." });
  const live = make("a", { href: "/", textContent: "live page" });
  return make("p", { className: "notice" }, "Nothing was recorded yet. Press Record on the ", live, ".");
}

async function refresh() {
  try {
    known = await api.all();
  } catch (error) {
    sayOrHide(byId("problem"), error.message);
    return;
  }
  if (byId("problem").textContent === "The pit wall does not answer.") sayOrHide(byId("problem"), "");
  const names = new Set([...known.sessions, ...known.trash].map(({ name }) => name));
  for (const [name, row] of rows) {
    if (names.has(name)) continue;
    compare.choose(row, false);
    rows.delete(name);
  }
  showDisk(byId("disk"), known.disk);
  lay();
}

/** Do something that the pit wall may refuse, then show what came of it. */
async function attempt(action) {
  sayOrHide(byId("problem"), "");
  try {
    await action();
  } catch (error) {
    sayOrHide(byId("problem"), error.message);
  }
  await refresh();
}

async function change(row, changes) {
  await attempt(() => api.change(row.session.name, changes));
}

async function remove(row) {
  const { session } = row;
  await attempt(async () => {
    const next = neighbour(row);
    await api.remove(session.name);
    compare.choose(row, false);
    toast.offer(`“${nameOf(session)}” is in the trash.`, () => undo(session.name));
    next?.element.focus();
  });
}

async function undo(name) {
  await attempt(() => api.restore(name));
  rows.get(name)?.element.focus();
}

async function restore(row) {
  await attempt(() => api.restore(row.session.name));
}

/** The rows on the page, in its order. */
const onPage = () => [...place.querySelectorAll(".row")].map((element) => [...rows.values()].find((row) => row.element === element));

function neighbour(row) {
  const all = onPage();
  const at = all.indexOf(row);
  return all[at + 1] ?? all[at - 1];
}

/** Coming back from a session finds the row that was opened. */
function rememberRow({ target }) {
  const opened = target.closest("[data-title], [data-thumb]")?.closest(".row");
  const name = [...rows.keys()].find((one) => rows.get(one).element === opened);
  if (name) history.replaceState({ opened: name }, "");
}

async function start() {
  new Keyboard(keysOf({ rows: onPage, filter, compare, remove, undo: () => toast.undo() }));
  setInterval(() => document.hidden || refresh(), POLL_MS);
  setInterval(() => rows.forEach((row) => row.tick(performance.now())), TICK_MS);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  place.addEventListener("click", rememberRow);
  await refresh();
  if (document.activeElement === document.body) rows.get(history.state?.opened)?.element.focus();
}

start();
