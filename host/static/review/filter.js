// Which sessions are shown. The choice is kept in the page's address, so that coming back from a session finds it.

import { make } from "../dom.js";
import { dayOf, timeOf } from "./names.js";

const FIELDS = ["q", "car", "pilot", "show"];
const SHOWS = {
  marked: (one) => one.marked,
  bookmarks: (one) => one.bookmarks.length > 0,
  live: (one) => one.recording,
};

export class Filter {
  #form;

  constructor(form, changed) {
    this.#form = form;
    const asked = new URLSearchParams(location.search);
    this.#field("q").value = asked.get("q") ?? "";
    for (const name of ["car", "pilot"]) this.#options(name, asked.has(name) ? [asked.get(name)] : []);
    for (const name of FIELDS) if (asked.get(name)) this.#field(name).value = asked.get(name);
    if (!this.#field("show").value) this.#field("show").value = "";
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      this.#remember();
      changed();
    });
  }

  get trash() {
    return this.#field("show").value === "trash";
  }

  get active() {
    return FIELDS.some((name) => this.#field(name).value);
  }

  focus() {
    this.#field("q").select();
  }

  clear() {
    for (const name of FIELDS) this.#field(name).value = "";
    this.#remember();
  }

  /** Offer the cars and pilots that there are. */
  offer(sessions) {
    for (const name of ["car", "pilot"]) this.#options(name, sessions.map((one) => one[name]));
  }

  matches(one) {
    const { q, car, pilot, show } = Object.fromEntries(FIELDS.map((name) => [name, this.#field(name).value]));
    if ((car && one.car !== car) || (pilot && one.pilot !== pilot)) return false;
    if (SHOWS[show] && !SHOWS[show](one)) return false;
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const text = words.length ? textOf(one) : "";
    return words.every((word) => text.includes(word));
  }

  #field(name) {
    return this.#form.elements.namedItem(name);
  }

  #options(name, values) {
    const select = this.#field(name);
    const chosen = select.value;
    const wanted = [...new Set([...values, chosen])].filter(Boolean).sort();
    const all = name === "car" ? "All cars" : "All pilots";
    if (select.options.length && String(wanted) === String([...select.options].slice(1).map((one) => one.value))) return;
    select.replaceChildren(make("option", { value: "", textContent: all }));
    select.append(...wanted.map((value) => make("option", { value, textContent: value })));
    select.value = chosen;
  }

  #remember() {
    const kept = FIELDS.map((name) => [name, this.#field(name).value]).filter(([, value]) => value);
    history.replaceState(null, "", kept.length ? `?${new URLSearchParams(kept)}` : location.pathname);
  }
}

function textOf(one) {
  const labels = one.bookmarks.map(({ label }) => label);
  const said = [one.title, one.name, one.car, one.pilot, one.status, dayOf(one), timeOf(one), one.started_at, ...labels];
  return said.join("\n").toLowerCase();
}
