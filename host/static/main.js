// The wall: one Car per car the host knows, and one clock tick for all.

import * as api from "./api.js";
import { Alarms } from "./alarms.js";
import { Car } from "./car.js";
import { make, pause, say } from "./dom.js";
import { Keyboard } from "./keyboard.js";
import { keysOf } from "./keys.js";
import { Room } from "./room.js";

const TICK_MS = 200;
const RETRY_MS = 1000;
const ROOM_EVERY_MS = 5000;

const wall = document.getElementById("cars");
const summary = document.getElementById("summary");
const alarms = new Alarms(document.getElementById("alarms"));
const room = new Room(document.getElementById("room"));
const staleAfterMs = Number(document.body.dataset.staleAfterMs);

/** What the pit wall knows; asks until it answers. */
async function firstState() {
  for (;;) {
    try {
      return await api.state();
    } catch (error) {
      say(summary, error.message);
      await pause(RETRY_MS);
    }
  }
}

/** How much room there is; what is not answered now will be the next time. */
async function lookForRoom() {
  if (!document.hidden) await api.state().then(({ disk }) => room.show(disk), () => {});
  setTimeout(lookForRoom, ROOM_EVERY_MS);
}

function tick(cars) {
  for (const car of cars) car.tick(performance.now());
  const live = cars.filter(({ state }) => state === "live").length;
  alarms.show([...room.alarms, ...cars.flatMap(({ recorder }) => recorder.alarms)]);
  say(summary, `${live} of ${cars.length} live`);
  document.title = live === cars.length ? "PilotLens" : `(${live}/${cars.length} live) PilotLens`;
}

async function start() {
  history.replaceState(null, "", location.pathname);
  const { cars: known, disk } = await firstState();
  const names = known.map(({ name }) => name);
  room.show(disk);
  if (!names.length) wall.append(make("p", { className: "notice", textContent: "This pit wall watches no car." }));
  const cars = names.map((name) => new Car(name, document.getElementById("car"), staleAfterMs));
  wall.dataset.layout = cars.length === 1 ? "one" : "many";
  if (cars.length > 1) cars.forEach(({ element }) => element.querySelector("[data-fold=look]").removeAttribute("open"));
  wall.append(...cars.map(({ element }) => element));
  new Keyboard(cars.length ? keysOf(cars) : [], document.getElementById("keys-note").content);
  tick(cars);
  setInterval(tick, TICK_MS, cars);
  setTimeout(lookForRoom, ROOM_EVERY_MS);
  document.addEventListener("visibilitychange", () => tick(cars));
}

start();
