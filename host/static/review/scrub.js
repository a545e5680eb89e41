// The mouse on the timeline: drag to scrub, wheel to zoom, sideways (or with Shift) to move, double-click for all.

const ZOOM = 0.0016; // per pixel of the wheel
const MOST_PX = 300; // counted of one turn of it
const ACROSS_PX = 800; // turned sideways, this moves by the whole stretch
const LINE_PX = 16;

export class Scrub {
  #viewport;
  #handlers;
  #drag = null;

  /** handlers: tickAt(layers, x), scrubbing(on), moved(layers, tick) */
  constructor(all, viewport, handlers) {
    [this.#viewport, this.#handlers] = [viewport, handlers];
    for (const layers of all) {
      const hear = (name, act, options) => layers.box.addEventListener(name, (event) => act(layers, event), options);
      hear("wheel", (...turned) => this.#wheel(...turned), { passive: false });
      hear("pointerdown", (...pressed) => this.#grab(...pressed));
      hear("pointermove", (...moved) => this.#move(...moved));
      for (const end of ["pointerup", "pointercancel"]) hear(end, () => this.#drop());
      hear("dblclick", () => viewport.showAll());
    }
  }

  get dragging() {
    return this.#drag !== null;
  }

  #wheel(layers, event) {
    event.preventDefault();
    const px = event.deltaMode === 1 ? LINE_PX : 1;
    const [sideways, on] = event.shiftKey ? [event.deltaY, 0] : [event.deltaX, event.deltaY];
    const { from, span } = this.#viewport;
    if (Math.abs(sideways) > Math.abs(on)) this.#viewport.show(from + (sideways * px * span) / ACROSS_PX);
    else this.#viewport.scale(Math.exp(Math.max(-MOST_PX, Math.min(MOST_PX, on * px)) * ZOOM), this.#tick(layers, event));
  }

  #grab(layers, event) {
    if (event.button) return;
    layers.box.setPointerCapture(event.pointerId);
    this.#drag = layers;
    this.#handlers.scrubbing(true);
    this.#move(layers, event);
  }

  #move(layers, event) {
    if (this.#drag === layers) this.#handlers.moved(layers, this.#tick(layers, event));
  }

  #drop() {
    if (!this.#drag) return;
    this.#drag = null;
    this.#handlers.scrubbing(false);
  }

  #tick(layers, event) {
    return this.#handlers.tickAt(layers, event.clientX - layers.box.getBoundingClientRect().left);
  }
}
