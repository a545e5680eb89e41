// The player of one session. Everything is kept together here; each part has a file of its own.

import { clockTime, make, part, say, sayOrHide } from "../dom.js";
import { Bookmarks } from "./bookmarks.js";
import * as api from "./common.js";
import { Deck, SPEEDS } from "./deck.js";
import { Exports } from "./exports.js";
import { moments, nextMoment } from "./jumps.js";
import { showFrame, showSession } from "./known.js";
import { shortTime } from "./paint.js";
import { listen } from "./playerkeys.js";
import { Plots } from "./plots.js";
import { Recording } from "./recording.js";
import { RedrawForm } from "./redraw.js";
import { Slot } from "./slot.js";

const GROW_MS = 700;
const NOTES_MS = 4000; // others may set bookmarks meanwhile
const ADDRESS_MS = 400;

const root = document.getElementById("player");
const help = document.getElementById("keys");
const facts = document.getElementById("facts");
const name = decodeURIComponent(location.pathname.split("/")[2] ?? "");

class Page {
  #main;
  #beside;
  #other = null;
  #mode = "film";
  #besideMode = "";
  #jumps = [];
  #due = false;
  #address = 0;
  #summary = null;

  constructor(recording) {
    this.recording = recording;
    const heard = { moved: (tick, index) => this.deck.moved(tick, index), ended: () => this.deck.ended() };
    this.#main = new Slot(root.querySelector("[data-screen=main]"), heard);
    this.#beside = new Slot(root.querySelector("[data-screen=beside]"), { moved: () => {}, ended: () => {} });
    this.deck = new Deck(this.#main, this.#beside, { changed: () => this.#changed() });
    this.plots = new Plots(root, recording, {
      seek: (tick) => this.deck.seek(tick),
      scrubbing: (on) => this.deck.scrubbing(on),
      viewed: () => this.#tellSpan(),
    });
    this.form = new RedrawForm(root, { changed: () => this.#redrawn(), beside: () => this.compare("redraw") });
    this.bookmarks = new Bookmarks(name, root, {
      seek: (seconds) => this.goTo(seconds * recording.hz),
      changed: () => this.#marked(),
      problem: (sentence) => this.#problem(sentence),
    });
    this.exports = new Exports(name, root, recording.hz);
    this.#wire();
  }

  start(summary, seconds) {
    this.#know(summary);
    this.form.begin(this.recording.look, summary.pilot_sha256);
    this.#main.tick = Math.max(0, Math.min(seconds * this.recording.hz, this.recording.lastTick));
    [this.deck.tick, this.deck.index] = [this.#main.tick, this.recording.indexAt(this.#main.tick)];
    this.#offerParts();
    if (this.recording.video || !this.recording.pictures.length) this.show("film");
    else this.show("camera");
    this.grew();
  }

  /** Show the film, a recorded part, or frames drawn anew. */
  async show(mode) {
    if (root.querySelector(`[data-parts] [data-part="${mode}"]`).disabled) return;
    if (mode === "redraw") await this.#openRedraw();
    if (mode === "redraw" && !this.form.ready) return;
    this.#mode = mode;
    for (const button of root.querySelectorAll("[data-parts] button")) button.setAttribute("aria-pressed", button.dataset.part === mode);
    this.#main.show(this.recording, this.#wish(mode));
    this.#name();
  }

  /** Show another session beside this one, "redraw" for these frames drawn anew, or nothing. */
  async compare(what) {
    const select = part(root, "with");
    if (what === "redraw") await this.#openRedraw();
    if (what === "redraw" && !this.form.ready) what = "";
    this.#besideMode = what;
    this.#beside.clear();
    try {
      if (what && what !== "redraw") await this.#openOther(what);
    } catch (error) {
      this.#problem(`The session beside this one cannot be shown: ${error.message}`);
      this.#besideMode = what = "";
    }
    select.value = what;
    if (what === "redraw" && this.#mode === "redraw") this.show("film");
    if (what) this.#showBeside();
    else this.#beside.hide();
    root.dataset.screens = what ? 2 : 1;
    for (const shown of ["shift-row", "about-shift"]) part(root, shown).hidden = !what || what === "redraw";
    const address = new URL(location.href);
    if (what && what !== "redraw") address.searchParams.set("with", what);
    else address.searchParams.delete("with");
    history.replaceState(null, "", address);
    this.#name();
  }

  goTo(tick) {
    this.deck.seek(tick);
    this.plots.reveal(tick);
  }

  jump(direction) {
    const tick = nextMoment(this.#jumps, this.deck.tick, direction, this.recording.interval / 2);
    if (tick !== null) this.goTo(tick);
  }

  nextKind() {
    const select = part(root, "jump");
    select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
    this.#findJumps();
  }

  bookmark() {
    this.bookmarks.add(Math.round((this.deck.tick / this.recording.hz) * 1000) / 1000);
  }

  /** Change how frames are drawn anew, and show that. */
  async redraw(change) {
    if (this.#mode !== "redraw" && this.#besideMode !== "redraw") await this.show("redraw");
    if (this.form.ready) change(this.form);
  }

  select(which) {
    if (which === "start") this.exports.start(this.deck.tick);
    else this.exports.end(Math.min(this.recording.endTick, this.deck.tick + this.recording.interval / 2));
    this.plots.select(this.exports.from, this.exports.to);
    root.querySelector("[data-fold=export]").open = true;
  }

  toggleFull() {
    const stage = root.querySelector(".stage");
    if (document.fullscreenElement) document.exitFullscreen();
    else stage.requestFullscreen?.();
  }

  /** The recording has more to show. */
  grew() {
    this.deck.grew();
    this.plots.refresh();
    this.#beside.screen?.refresh();
    this.#findJumps();
    this.#offerParts();
    part(root, "length").textContent = `of ${shortTime(this.recording.endTick / this.recording.hz, 0.1)}`;
    root.querySelector("[data-do=live]").hidden = !this.recording.recording;
    root.dataset.recording = this.recording.recording;
    this.#tellSpan();
    part(root, "overview").setAttribute("aria-valuemax", Math.round(this.recording.endTick / this.recording.hz));
    this.#changed();
  }

  /** What is said of the session, as the list knows it. */
  #know(summary) {
    this.#summary = summary;
    const title = api.nameOf(summary);
    say(document.getElementById("title"), title);
    document.title = `${title} · PilotLens`;
    this.bookmarks.show(summary.bookmarks);
    this.exports.offer(summary.has_frames);
    say(facts, showSession(root, summary, this.recording.length));
  }

  async refreshNotes() {
    try {
      this.#know(await api.session(name));
    } catch (error) {
      this.#problem(error.message);
    }
  }

  #wish(mode) {
    if (mode === "film") return null;
    return mode === "redraw" ? this.form.wish() : { part: mode };
  }

  async #openRedraw() {
    root.querySelector("[data-fold=look]").open = true;
    await this.form.load();
  }

  #redrawn() {
    if (this.#besideMode === "redraw") this.#showBeside();
    else if (this.#mode === "redraw") this.#main.show(this.recording, this.form.wish());
    else if (this.form.ready) this.show("redraw");
    this.#name();
  }

  async #openOther(other) {
    const recording = new Recording(other);
    const [summary] = await Promise.all([api.session(other), recording.refresh()]);
    if (!recording.length) throw new Error("it has no frame yet");
    this.#other = { recording, summary };
  }

  #showBeside() {
    const shift = this.#besideMode === "redraw" ? 0 : Number(part(root, "shift").value) || 0;
    this.#beside.shift = shift * this.recording.hz;
    if (this.#besideMode === "redraw") this.#beside.show(this.recording, this.form.wish());
    else this.#beside.show(this.#other.recording, this.#other.recording.video ? null : { part: "camera" });
    this.#beside.follow(this.deck.tick, this.deck.playing, this.deck.rate);
  }

  #name() {
    const words = { film: "as it was seen", camera: "camera", mask: "map", redraw: this.form.sentence };
    this.#main.name(root.dataset.screens === "2" ? api.nameOf(this.#summary) : "", words[this.#mode]);
    if (this.#besideMode === "redraw") this.#beside.name("The same frames", this.form.sentence);
    else if (this.#other) this.#beside.name(api.nameOf(this.#other.summary), [this.#other.summary.pilot, api.dayOf(this.#other.summary)].filter(Boolean).join(" · "));
  }

  #offerParts() {
    const { pictures, video, length } = this.recording;
    const able = { film: Boolean(video), camera: pictures.includes("camera"), mask: pictures.includes("mask"), redraw: pictures.length > 0 };
    for (const button of root.querySelectorAll("[data-parts] button")) button.disabled = !able[button.dataset.part];
    part(root, "beside").disabled = !able.redraw;
    sayOrHide(part(root, "no-frames"), length && !pictures.length ? "This session was recorded without single frames: only its video can be shown." : "");
  }

  #marked() {
    this.plots.mark(this.bookmarks.all);
    this.#findJumps();
  }

  #findJumps() {
    const kind = part(root, "jump").value;
    this.#jumps = moments(kind, this.recording, this.bookmarks.all);
    this.plots.point(kind === "bookmark" ? [] : this.#jumps);
    say(part(root, "jumps"), this.#jumps.length || "none");
    for (const which of ["jump-back", "jump-on"]) root.querySelector(`[data-do=${which}]`).disabled = !this.#jumps.length;
  }

  #problem(sentence) {
    sayOrHide(part(root, "problem"), sentence);
  }

  #changed() {
    this.plots.at(this.deck.tick, this.deck.playing);
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#tell();
    });
  }

  #tell() {
    const { deck, recording } = this;
    const seconds = deck.tick / recording.hz;
    const thousandths = Math.floor((seconds % 1) * 1000 + 1e-6);
    say(part(root, "time"), `${clockTime(seconds + 1e-9)}.${String(thousandths).padStart(3, "0")}`);
    const gap = recording.gapAt(deck.tick);
    say(part(root, "frame"), gap || deck.index < 0 ? "–" : deck.index);
    root.dataset.index = gap ? "" : deck.index;
    root.dataset.playing = deck.playing;
    const play = root.querySelector("[data-do=play]");
    say(play, deck.playing ? "❚❚" : "▶");
    play.setAttribute("aria-label", deck.playing ? "Pause" : "Play");
    part(root, "speed").value = String(Math.abs(deck.rate));
    root.querySelector("[data-do=live]").setAttribute("aria-pressed", deck.following);
    const overview = part(root, "overview");
    overview.setAttribute("aria-valuenow", Math.round(seconds));
    overview.setAttribute("aria-valuetext", clockTime(seconds));
    showFrame(root, recording, deck.tick, gap ? -1 : deck.index);
    if (!deck.playing) this.#tellAddress(seconds);
  }

  #tellSpan() {
    const { from, to } = this.plots.view;
    const [start, end] = [from, to].map((tick) => shortTime(tick / this.recording.hz, 0.1));
    say(part(root, "span"), `${start} – ${end}`);
  }

  #tellAddress(seconds) {
    clearTimeout(this.#address);
    this.#address = setTimeout(() => {
      const address = `#t=${Number(seconds.toFixed(3))}`;
      if (location.hash !== address) history.replaceState(null, "", address);
    }, ADDRESS_MS);
  }

  #wire() {
    const actions = {
      play: () => this.deck.toggle(),
      previous: () => this.deck.step(-1),
      next: () => this.deck.step(1),
      back: () => this.deck.skip(-1),
      forward: () => this.deck.skip(1),
      live: () => this.deck.follow(),
      "jump-back": () => this.jump(-1),
      "jump-on": () => this.jump(1),
      bookmark: () => this.bookmark(),
      "zoom-in": () => this.plots.zoom(0.5),
      "zoom-out": () => this.plots.zoom(2),
      "zoom-all": () => this.plots.showAll(),
      in: () => this.select("start"),
      out: () => this.select("end"),
    };
    for (const button of root.querySelectorAll("[data-do]")) button.addEventListener("click", actions[button.dataset.do]);
    for (const button of root.querySelectorAll("[data-parts] button")) button.addEventListener("click", () => this.show(button.dataset.part));
    part(root, "picture").addEventListener("click", () => this.deck.toggle());
    part(root, "jump").addEventListener("change", () => this.#findJumps());
    const speed = part(root, "speed");
    speed.append(...SPEEDS.map((value) => make("option", { value: String(value), textContent: `${value}×` })));
    speed.addEventListener("change", () => this.deck.setRate(Number(speed.value)));
    part(root, "with").addEventListener("change", ({ target }) => this.compare(target.value));
    part(root, "shift").addEventListener("input", () => this.#besideMode && this.#showBeside());
    root.querySelector("[data-fold=look]").addEventListener("toggle", ({ target }) => target.open && this.form.load());
    root.querySelector("[data-fold=compare]").addEventListener("toggle", ({ target }) => target.open && this.offerSessions());
    document.getElementById("help").addEventListener("click", () => help.showModal());
    window.addEventListener("hashchange", () => this.goTo(timeIn(location.hash) * this.recording.hz));
    listen(this, help);
  }

  /** Fill the list of sessions to compare with. */
  async offerSessions() {
    const select = part(root, "with");
    const chosen = this.#besideMode;
    let sessions = [];
    try {
      ({ sessions } = await api.all());
    } catch (error) {
      this.#problem(error.message);
    }
    const days = new Map();
    for (const one of sessions) if (one.name !== name) days.set(api.dayOf(one), [...(days.get(api.dayOf(one)) ?? []), one]);
    const groups = [...days].map(([label, ones]) => make("optgroup", { label }, ...ones.map((one) => make("option", { value: one.name }, `${api.nameOf(one)} · ${clockTime(one.duration_s)}`))));
    const redraw = make("option", { value: "redraw", disabled: !this.recording.pictures.length }, "these frames, re-drawn");
    select.replaceChildren(make("option", { value: "" }, "nothing"), redraw, ...groups);
    select.value = chosen;
  }
}

/** The seconds in a fragment like #t=12.3; 0 where there are none. */
function timeIn(hash) {
  const seconds = Number(new URLSearchParams(hash.slice(1)).get("t"));
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The recording, once there is a first frame of it; and what is said of it. */
async function open() {
  const recording = new Recording(name);
  for (;;) {
    const [summary] = await Promise.all([api.session(name), recording.refresh()]);
    if (recording.length) return { recording, summary };
    if (!recording.recording) throw new Error(recording.trouble || "There is nothing to be seen in this session.");
    say(facts, "waiting for the first frame…");
    await pause(GROW_MS);
  }
}

/** Ask for what was recorded since, for as long as it is being recorded. */
async function grow(page) {
  let asked = performance.now();
  while (page.recording.recording) {
    await pause(GROW_MS);
    try {
      if (await page.recording.refresh()) page.grew();
    } catch (error) {
      say(facts, error.message);
    }
    if (performance.now() - asked > NOTES_MS || !page.recording.recording) {
      asked = performance.now();
      await page.refreshNotes();
    }
  }
}

async function start() {
  try {
    const { recording, summary } = await open();
    const page = new Page(recording);
    page.start(summary, timeIn(location.hash));
    const other = new URLSearchParams(location.search).get("with");
    if (other && other !== name) page.offerSessions().then(() => page.compare(other));
    await grow(page);
  } catch (error) {
    say(facts, error.message);
    root.dataset.state = "failed";
    if (!(error instanceof Error) || error.constructor !== Error) throw error;
  }
}

start();
