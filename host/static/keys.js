// The keyboard of the live page: every key acts on the chosen car, the first one until another is chosen.

const STEP = 0.05;

/** The bindings for `cars`, in the order of the page. */
export function keysOf(cars) {
  let chosen = 0;
  const choose = (index) => {
    chosen = (index + cars.length) % cars.length;
    cars.forEach((car, at) => car.element.classList.toggle("chosen", cars.length > 1 && at === chosen));
  };
  const move = (by) => {
    choose(chosen + by);
    cars[chosen].element.scrollIntoView({ block: "nearest" });
  };
  const on = (act) => () => act(cars[chosen]);
  cars.forEach((car, at) => car.element.addEventListener("pointerdown", () => choose(at)));
  return [
    {
      does: { 1: on((car) => car.show("overlay")), 2: on((car) => car.show("camera")), 3: on((car) => car.show("mask")) },
      says: "overlay, camera, mask",
    },
    { does: { m: on((car) => car.look.nextMethod()) }, says: "next method" },
    { does: { t: on((car) => car.look.nextTarget()) }, says: "explain the next output" },
    {
      does: { "[": on((car) => car.look.strengthen(-STEP)), "]": on((car) => car.look.strengthen(STEP)) },
      says: "weaker, stronger overlay",
    },
    { does: { c: on((car) => car.look.nextColours()) }, says: "next colours" },
    { does: { g: on((car) => car.look.toggleGauges()) }, says: "gauges in the overlay" },
    { does: { p: on((car) => car.togglePixels()) }, says: "pixels as they are, or smooth" },
    { does: { r: on((car) => car.recorder.toggle()) }, says: "start or stop recording", once: true },
    {
      does: { b: on((car) => car.recorder.bookmark()) },
      says: "bookmark this moment; starts a recording, with the seconds before, where there is none",
      once: true,
    },
    { does: { f: on((car) => car.toggleFull()) }, says: "full screen", once: true },
    { does: { arrowleft: () => move(-1), arrowright: () => move(1) }, says: "choose the car the keys are for" },
  ];
}
