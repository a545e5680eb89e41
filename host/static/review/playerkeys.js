// The keyboard of the player.

const STRENGTH = 0.05;
const LONG_S = 10;

/** The bindings for the player's page. */
export function keysOf(page) {
  const { deck, screens, timeline } = page;
  const move = (direction) => ({ shiftKey, altKey }) => {
    if (altKey) deck.skip(LONG_S * direction);
    else if (shiftKey) deck.skip(direction);
    else deck.step(direction);
  };
  const redraw = (change) => () => screens.redraw(change);
  const zoomIn = () => timeline.zoom(0.5);
  return [
    { does: { " ": () => deck.toggle() }, says: "play, pause", once: true },
    { does: { arrowleft: move(-1), arrowright: move(1) }, says: `one frame; with Shift 1 s, with Alt ${LONG_S} s`, alt: true },
    {
      does: { j: () => deck.shuttle(-1), k: () => deck.pause(), l: () => deck.shuttle(1) },
      says: "play backwards, pause, play; again: faster",
    },
    { does: { ",": () => deck.speed(-1), ".": () => deck.speed(1) }, says: "slower, faster" },
    { does: { n: () => page.jump(1), p: () => page.jump(-1) }, says: "to the next, the one before of what is chosen" },
    { does: { v: () => page.jumper.nextKind() }, says: "choose what to jump to" },
    { does: { b: () => page.bookmark() }, says: "bookmark this moment", once: true },
    {
      does: { 1: () => screens.show("film"), 2: () => screens.show("camera"), 3: () => screens.show("mask"), 4: () => screens.show("redraw") },
      says: "overlay, camera, mask, re-drawn",
    },
    {
      does: {
        m: redraw((form) => form.nextOf("method")),
        t: redraw((form) => form.nextOf("target")),
        c: redraw((form) => form.nextOf("colormap")),
      },
      says: "next method, what it explains, colours",
    },
    {
      does: { "[": redraw((form) => form.strengthen(-STRENGTH)), "]": redraw((form) => form.strengthen(STRENGTH)) },
      says: "weaker, stronger overlay",
    },
    { does: { i: () => page.select("start"), o: () => page.select("end") }, says: "the export starts, ends here" },
    {
      does: { "+": zoomIn, "=": zoomIn, "-": () => timeline.zoom(2), 0: () => timeline.viewport.showAll() },
      shown: ["+", "−", "0"],
      says: "zoom the timeline, all of it",
    },
    { does: { home: () => deck.toEnd(-1), end: () => deck.toEnd(1) }, shown: ["Home", "End"], says: "first, last frame" },
    { does: { f: () => page.toggleFull() }, says: "full screen", once: true },
  ];
}
