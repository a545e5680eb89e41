// The wall: one Car per car the host knows, and one clock tick for all.

import * as api from "./api.js";
import { Car } from "./car.js";
import { make, say } from "./dom.js";
import { listen } from "./keys.js";

const TICK_MS = 200;
const RETRY_MS = 1000;

const wall = document.getElementById("cars");
const summary = document.getElementById("summary");
const help = document.getElementById("keys");
const staleAfterMs = Number(document.body.dataset.staleAfterMs);

/** The cars' names; asks until the pit wall answers. */
async function carNames() {
  for (;;) {
    try {
      return (await api.state()).cars.map(({ name }) => name);
    } catch (error) {
      say(summary, error.message);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function tick(cars) {
  for (const car of cars) car.tick(performance.now());
  const live = cars.filter(({ state }) => state === "live").length;
  say(summary, `${live} of ${cars.length} live`);
  document.title = live === cars.length ? "PilotLens" : `(${live}/${cars.length} live) PilotLens`;
}

async function start() {
  history.replaceState(null, "", location.pathname);
  document.getElementById("help").addEventListener("click", () => help.showModal());
  const names = await carNames();
  if (!names.length) wall.append(make("p", { className: "notice", textContent: "This pit wall watches no car." }));
  const cars = names.map((name) => new Car(name, document.getElementById("car"), staleAfterMs));
  wall.dataset.layout = cars.length === 1 ? "one" : "many";
  if (cars.length > 1) cars.forEach(({ element }) => element.querySelector("[data-fold=look]").removeAttribute("open"));
  wall.append(...cars.map(({ element }) => element));
  if (cars.length) listen(cars, help);
  tick(cars);
  setInterval(tick, TICK_MS, cars);
  document.addEventListener("visibilitychange", () => tick(cars));
}

start();
