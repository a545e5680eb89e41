// A screen that shows a session's frames one by one: as they were recorded, or drawn again by the pit wall.
// Has what VideoScreen has. What takes longer to come than to be shown is skipped; time does not wait for it.

import * as api from "./api.js";

const AHEAD = 3; // recorded pictures fetched before they are due
const KEPT = 40;
const SLOW_MS = 300;
const WORDS = { camera: "camera picture", mask: "map" };
const SETTLE_MS = 60; // a slider that moves asks for pictures this often at most

export class FramesScreen {
  playing = false;
  #recording;
  #handlers;
  #canvas;
  #wish; // what the pictures shall look like: parameters of the address
  #client = `page-${Math.random().toString(36).slice(2, 12)}`;
  #pictures = new Map(); // index → promise of a bitmap, the latest ones
  #tick = 0;
  #rate = 1;
  #shown = -1;
  #busy = false;
  #closed = false;
  #clock = 0;
  #slow = 0;

  constructor(element, recording, handlers, wish) {
    [this.element, this.#recording, this.#handlers, this.#wish] = [element, recording, handlers, wish];
    this.#canvas = document.createElement("canvas");
    this.#canvas.setAttribute("role", "img");
    element.prepend(this.#canvas);
  }

  /** Show the frames in another way from now on. */
  change(wish) {
    if (same(wish, this.#wish)) return;
    this.#wish = wish;
    this.#pictures.clear();
    this.#shown = -1;
    clearTimeout(this.#clock);
    this.#clock = setTimeout(() => this.#fill(), SETTLE_MS);
  }

  seek(tick) {
    this.#tick = tick;
    this.#handlers.moved(tick, this.#recording.indexAt(tick));
    this.#fill();
  }

  play(rate) {
    this.#rate = rate;
    if (this.playing) return;
    this.playing = true;
    let before = performance.now();
    const pass = (now) => {
      if (!this.playing || this.#closed) return;
      this.#tick = Math.max(0, this.#tick + (Math.max(0, now - before) / 1000) * this.#rate * this.#recording.hz);
      before = now;
      if (this.#tick >= this.#recording.endTick || (this.#rate < 0 && this.#tick <= 0)) this.#atEnd();
      this.#handlers.moved(this.#tick, this.#recording.indexAt(this.#tick), true);
      this.#fill();
      requestAnimationFrame(pass);
    };
    requestAnimationFrame(pass);
  }

  pause() {
    this.playing = false;
  }

  refresh() {}

  close() {
    this.#closed = true;
    this.playing = false;
    clearTimeout(this.#slow);
    clearTimeout(this.#clock);
    this.#handlers.wait("");
    this.#canvas.remove();
  }

  #atEnd() {
    this.#tick = this.#rate < 0 ? 0 : this.#recording.lastTick;
    if (this.#rate > 0 && this.#recording.recording) return; // more may come
    this.playing = false;
    this.#handlers.ended();
  }

  get #redrawn() {
    return this.#wish.part === "overlay" || Object.keys(this.#wish).length > 1;
  }

  /** Show the frame that is due, and then the one that is due by then. */
  async #fill() {
    if (this.#busy || this.#closed) return;
    const index = this.#recording.indexAt(this.#tick);
    if (index < 0 || index === this.#shown) return;
    this.#busy = true;
    const wish = this.#wish;
    this.#slow = setTimeout(() => this.#handlers.wait("drawing…"), SLOW_MS);
    try {
      const bitmap = await this.#picture(index);
      if (wish === this.#wish && !this.#closed) this.#paint(bitmap, index);
    } catch (error) {
      if (wish === this.#wish && !this.#closed) this.#refuse(error, index);
    }
    clearTimeout(this.#slow);
    if (this.#closed) return;
    this.#handlers.wait("");
    this.#busy = false;
    if (this.playing && !this.#redrawn) for (let ahead = 1; ahead <= AHEAD; ahead++) this.#picture(index + ahead).catch(() => {});
    this.#fill();
  }

  #paint(bitmap, index) {
    const canvas = this.#canvas;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
    canvas.dataset.index = index;
    canvas.hidden = false;
    this.#shown = index;
    this.#handlers.trouble("");
  }

  #refuse(error, index) {
    this.#shown = index;
    this.#canvas.hidden = true;
    this.#handlers.trouble(error.message);
  }

  #picture(index) {
    if (index >= this.#recording.length) return Promise.reject(new Error("There is no such frame yet."));
    const lacking = this.#lacking(index);
    if (lacking) return Promise.reject(new Error(lacking));
    let picture = this.#pictures.get(index);
    if (!picture) {
      picture = this.#fetch(index);
      this.#pictures.set(index, picture);
      picture.catch(() => this.#pictures.delete(index));
      if (this.#pictures.size > KEPT) this.#pictures.delete(this.#pictures.keys().next().value);
    }
    return picture;
  }

  /** Why this frame cannot be shown so, as far as that is known here; empty where it can. */
  #lacking(index) {
    const kind = this.#wish.part === "mask" ? "mask" : "camera";
    const anew = kind === "mask" && this.#redrawn; // a mask can be made again from the camera's picture
    if (anew || !this.#recording.lacks(kind, index)) return "";
    return `This frame was recorded without its ${WORDS[kind]}, to spare the link.`;
  }

  async #fetch(index) {
    const jpeg = this.#redrawn
      ? await api.frame(this.#recording.name, index, { ...this.#wish, client: this.#client })
      : await api.frame(this.#recording.name, index, this.#wish, "default");
    return createImageBitmap(jpeg);
  }
}

const same = (one, other) => JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());
