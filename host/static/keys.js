// The keyboard: every key acts on the chosen car, the first one until another is chosen.

const STEP = 0.05;
const ONCE = new Set(["r", "b"]); // a key held down counts once

export const ACTIONS = {
  1: (car) => car.show("overlay"),
  2: (car) => car.show("camera"),
  3: (car) => car.show("mask"),
  m: (car) => car.look.nextMethod(),
  t: (car) => car.look.nextTarget(),
  "[": (car) => car.look.strengthen(-STEP),
  "]": (car) => car.look.strengthen(STEP),
  c: (car) => car.look.nextColours(),
  g: (car) => car.look.toggleGauges(),
  p: (car) => car.togglePixels(),
  r: (car) => car.recorder.toggle(),
  b: (car) => car.recorder.bookmark(),
  f: (car) => car.toggleFull(),
};

/** Listen for keys. `cars` in the order of the page, `help` the dialog that lists the keys. */
export function listen(cars, help) {
  let chosen = 0;
  const choose = (index) => {
    chosen = (index + cars.length) % cars.length;
    cars.forEach((car, at) => car.element.classList.toggle("chosen", cars.length > 1 && at === chosen));
  };
  cars.forEach((car, at) => car.element.addEventListener("pointerdown", () => choose(at)));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && ONCE.has(event.key.toLowerCase())) return;
    if (help.open || event.target.closest("input, select, textarea")) return;
    const key = event.key.toLowerCase();
    if (key === "?") help.showModal();
    else if (key === "arrowleft" || key === "arrowright") {
      choose(chosen + (key === "arrowright" ? 1 : -1));
      cars[chosen].element.scrollIntoView({ block: "nearest" });
    }
    else if (Object.hasOwn(ACTIONS, key)) ACTIONS[key](cars[chosen]);
    else return;
    event.preventDefault();
  });
}
