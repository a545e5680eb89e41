// How long there is room to record on, and what happens then.

import { bytes, say } from "./dom.js";

const SOON_S = 3600; // less room than this is worth a colour
const NOW_S = 600; // and less than this a word above everything

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
    this.#element.classList.toggle("soon", disk.seconds_left !== null && disk.seconds_left < SOON_S);
  }

  /** [{ key, text, grave, href }] */
  get alarms() {
    const text = this.#disk && warningOf(this.#disk);
    return text ? [{ key: "room", text, grave: isFull(this.#disk), href: "/review" }] : [];
  }
}

const textOf = ({ seconds_left: left, room_bytes: room }) =>
  left === null ? `${bytes(room)} to record on` : `room for ${planned(left)} more`;

const isFull = ({ room_bytes: room, used_bytes: used, kept_bytes: kept }) => room <= 0 && used <= kept;

function warningOf(disk) {
  if (isFull(disk)) return "The disk is full: nothing can be recorded until there is room.";
  const stop = disk.seconds_to_stop;
  return stop !== null && stop < NOW_S ? `The disk is nearly full: recordings stop in ${planned(stop)}.` : "";
}

/** Seconds as people plan with them: "40 min", "6 h", "12 days". */
export function planned(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return "less than a minute";
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2 * 1440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} days`;
}
