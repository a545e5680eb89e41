// One session in the list: what it shows, and what its buttons do.

import { part, say, sayOrHide } from "../dom.js";
import { bytes, clockTime, counted } from "../format.js";
import { playerOf, thumbnailOf } from "./api.js";
import { nameOf, standingOf, timeOf } from "./names.js";

export class Row {
  #do;
  #shown = "";
  #receivedMs = 0;

  /** `actions`: what to do with a row: change(row, changes), remove(row), restore(row), choose(row, on), left(row). */
  constructor(template, actions) {
    this.element = template.content.firstElementChild.cloneNode(true);
    this.session = null;
    this.#do = actions;
    this.#on("mark", "click", () => this.mark());
    this.#on("edit", "click", () => this.rename());
    this.#on("delete", "click", () => actions.remove(this));
    this.#on("restore", "click", () => actions.restore(this));
    this.#on("choose", "change", () => actions.choose(this, part(this.element, "choose").checked));
    this.#on("rename", "keydown", (event) => this.#typed(event));
    this.#on("rename", "blur", () => this.#endRename(true));
    part(this.element, "thumb").querySelector("img").addEventListener("error", () => this.#picture(false));
  }

  get renaming() {
    return !part(this.element, "rename").hidden;
  }

  /** Show this session; `inTrash`: it can only be restored; `before`: the one it goes on from, if any. */
  show(session, inTrash, before) {
    this.#receivedMs = performance.now();
    this.session = session;
    const text = JSON.stringify([session, inTrash, before && nameOf(before)]);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#fill(session, inTrash);
    say(part(this.element, "meta"), meta(session, before));
  }

  /** Let a length that grows grow between what the pit wall says. */
  tick(nowMs) {
    if (!this.session?.recording) return;
    say(part(this.element, "length"), clockTime(this.session.duration_s + (nowMs - this.#receivedMs) / 1000));
  }

  choose(on) {
    part(this.element, "choose").checked = on;
    this.element.classList.toggle("chosen", on);
  }

  open() {
    part(this.element, "title").click();
  }

  mark() {
    return this.#do.change(this, { marked: !this.session.marked });
  }

  rename() {
    const field = part(this.element, "rename");
    field.value = this.session.title;
    field.placeholder = nameOf(this.session);
    this.#edit(true);
    field.select();
  }

  #on(name, event, handler) {
    part(this.element, name).addEventListener(event, handler);
  }

  #fill(session, inTrash) {
    const { element } = this;
    const name = nameOf(session);
    element.setAttribute("aria-label", name);
    element.dataset.status = standingOf(session);
    say(part(element, "title"), name);
    for (const link of ["title", "thumb"]) {
      if (inTrash) part(element, link).removeAttribute("href");
      else part(element, link).href = playerOf(session.name);
    }
    sayOrHide(part(element, "reason"), session.status === "complete" ? "" : reason(session));
    say(part(element, "length"), clockTime(session.duration_s));
    say(part(element, "bookmarks"), session.bookmarks.length ? counted(session.bookmarks.length, "bookmark") : "");
    part(element, "bookmarks").title = session.bookmarks.map(({ time_s: at, label }) => `${clockTime(at)} ${label}`).join("\n");
    say(part(element, "size"), bytes(session.bytes));
    part(element, "live").hidden = !session.recording;
    this.#buttons(session, inTrash);
    if (inTrash) this.#picture(Boolean(part(element, "thumb").querySelector("img").src));
    else this.#load(session);
  }

  #buttons({ marked, recording }, inTrash) {
    const mark = part(this.element, "mark");
    mark.setAttribute("aria-pressed", marked);
    say(part(mark, "star"), marked ? "★" : "☆");
    say(part(mark, "mark-label"), marked ? "Marked" : "Mark");
    for (const name of ["mark", "edit"]) part(this.element, name).hidden = inTrash;
    part(this.element, "delete").hidden = inTrash || recording;
    part(this.element, "restore").hidden = !inTrash;
    part(this.element, "choose").disabled = inTrash;
  }

  /** The picture; of one without, again once there is more of it. */
  #load({ name, recording, bytes: size }) {
    const image = part(this.element, "thumb").querySelector("img");
    const tried = recording ? `?${size}` : "";
    if (image.src && !image.hidden) return;
    this.#picture(true);
    image.src = thumbnailOf(name) + tried;
  }

  #picture(there) {
    part(this.element, "thumb").querySelector("img").hidden = !there;
    part(this.element, "thumb").querySelector(".none").hidden = there;
  }

  #typed(event) {
    event.stopPropagation();
    if (event.key === "Enter") this.#endRename(true);
    if (event.key === "Escape") this.#endRename(false);
  }

  #endRename(keep) {
    if (!this.renaming) return;
    const title = part(this.element, "rename").value.trim();
    const hadFocus = this.element.contains(document.activeElement);
    this.#edit(false);
    if (hadFocus) this.element.focus();
    if (keep && title !== this.session.title) this.#do.change(this, { title });
    this.#do.left(this);
  }

  #edit(on) {
    part(this.element, "rename").hidden = !on;
    part(this.element, "title").hidden = on;
  }
}

/** What is known of it in one line; `before`: the session it goes on from. */
function meta(session, before) {
  const named = session.title ? [timeOf(session), session.car] : [];
  const lost = session.dropped ? [`${session.dropped} dropped`] : [];
  const continued = before ? [`continues ${nameOf(before)}`] : [];
  return [...named, session.pilot || "pilot unknown", ...lost, ...continued].join(" · ");
}

const UNFINISHED = "the host ended without closing it; it is repaired at the next start";

function reason(session) {
  const standing = standingOf(session);
  if (standing === "live") return "";
  const why = standing === "unfinished" ? UNFINISHED : session.reason;
  return `${standing}${why ? `: ${why}` : ""}`;
}
