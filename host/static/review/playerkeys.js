// The keyboard of the player.

const STRENGTH = 0.05;

/** What each key does, given the page's actions. */
const KEYS = {
  " ": (page) => page.deck.toggle(),
  k: (page) => page.deck.pause(),
  j: (page) => page.deck.shuttle(-1),
  l: (page) => page.deck.shuttle(1),
  ",": (page) => page.deck.speed(-1),
  ".": (page) => page.deck.speed(1),
  n: (page) => page.jump(1),
  p: (page) => page.jump(-1),
  v: (page) => page.nextKind(),
  b: (page) => page.bookmark(),
  1: (page) => page.show("film"),
  2: (page) => page.show("camera"),
  3: (page) => page.show("mask"),
  4: (page) => page.show("redraw"),
  m: (page) => page.redraw((form) => form.nextOf("method")),
  t: (page) => page.redraw((form) => form.nextOf("target")),
  c: (page) => page.redraw((form) => form.nextOf("colormap")),
  "[": (page) => page.redraw((form) => form.strengthen(-STRENGTH)),
  "]": (page) => page.redraw((form) => form.strengthen(STRENGTH)),
  i: (page) => page.select("start"),
  o: (page) => page.select("end"),
  "+": (page) => page.plots.zoom(0.5),
  "=": (page) => page.plots.zoom(0.5),
  "-": (page) => page.plots.zoom(2),
  0: (page) => page.plots.showAll(),
  home: (page) => page.deck.toEnd(-1),
  end: (page) => page.deck.toEnd(1),
  f: (page) => page.toggleFull(),
};
const ONCE = new Set([" ", "b", "k", "f"]); // holding these down is no repetition

function move(page, { shiftKey, altKey }, direction) {
  if (altKey) page.deck.skip(10 * direction);
  else if (shiftKey) page.deck.skip(direction);
  else page.deck.step(direction);
}

export function listen(page, help) {
  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    const arrow = { arrowleft: -1, arrowright: 1 }[key];
    if (event.ctrlKey || event.metaKey || (event.altKey && !arrow) || help.open) return;
    if (event.target.closest("input, select, textarea") || (key === " " && event.target.closest("summary"))) return;
    if (event.repeat && ONCE.has(key)) return event.preventDefault();
    if (key === "?") help.showModal();
    else if (arrow) move(page, event, arrow);
    else if (Object.hasOwn(KEYS, key)) KEYS[key](page);
    else return undefined;
    event.preventDefault();
    return undefined;
  });
}
