// One car over a WebSocket: every picture is acknowledged once it is drawn, the host then sends its newest.
// The messages are described in host/live.py.

import { HostClock } from "./clock.js";

const CLOCK_EVERY_MS = 1000;

/** handlers: picture(bitmap, header, times), state(message), problem(sentence), closed(opened, reason) */
export class Live {
  #socket;
  #handlers;
  #drawn = Promise.resolve();
  #opened = false;
  #timer;
  clock = new HostClock();

  constructor(car, part, handlers) {
    this.#handlers = handlers;
    const url = new URL(`/ws/${encodeURIComponent(car)}?part=${part}`, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#open();
    this.#socket.onmessage = ({ data }) => this.#hear(data);
    this.#socket.onclose = ({ reason }) => this.#end(reason);
  }

  show(part) {
    this.#say({ part });
  }

  close() {
    this.#handlers = null;
    this.#socket.close();
  }

  #open() {
    this.#opened = true;
    this.#askClock();
    this.#timer = setInterval(() => this.#askClock(), CLOCK_EVERY_MS);
  }

  #end(reason) {
    clearInterval(this.#timer);
    this.#handlers?.closed(this.#opened, reason);
  }

  #say(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #askClock() {
    this.#say({ clock: performance.now() });
  }

  #hear(data) {
    const heardMs = performance.now();
    if (typeof data !== "string") {
      this.#drawn = this.#drawn.then(() => this.#draw(data, heardMs));
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "clock") this.clock.add(message.clock, heardMs, message.now_ns);
    if (message.type === "state") this.#handlers?.state(message.car);
  }

  async #draw(data, heardMs) {
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const jpeg = new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" });
    try {
      const bitmap = await createImageBitmap(jpeg);
      this.#handlers?.picture(bitmap, header, heardMs);
      bitmap.close();
    } catch {
      this.#handlers?.problem(`Picture ${header.frame.seq} cannot be decoded.`);
    }
    this.#say({ ack: header.id });
  }
}
