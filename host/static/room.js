// How long there is room to record on, and what happens then.

import { say } from "./dom.js";
import { bytes, planned } from "./format.js";
import { isFull, isShort, stopsSoon } from "./space.js";

export class Room {
  #element;
  #disk = null;

  constructor(element) {
    this.#element = element;
  }

  /** `disk` as /state tells it; null where no sessions are kept. */
  show(disk) {
    this.#disk = disk;
    this.#element.hidden = !disk;
    document.body.toggleAttribute("data-no-review", !disk);
    if (!disk) return;
    say(this.#element, textOf(disk));
    this.#element.title = `${bytes(disk.free_bytes)} free, sessions take ${bytes(disk.used_bytes)}; ${disk.then}`;
    this.#element.classList.toggle("soon", isShort(disk));
  }

  /** [{ key, text, grave, href }] */
  get alarms() {
    const text = this.#disk && warningOf(this.#disk);
    return text ? [{ key: "room", text, grave: isFull(this.#disk), href: "/review" }] : [];
  }
}

const textOf = ({ seconds_left: left, room_bytes: room }) =>
  left === null ? `${bytes(room)} to record on` : `room for ${planned(left)} more`;

function warningOf(disk) {
  if (isFull(disk)) return "The disk is full: nothing can be recorded until there is room.";
  return stopsSoon(disk) ? `The disk is nearly full: recordings stop in ${planned(disk.seconds_to_stop)}.` : "";
}
