// The pit wall's clock as seen from here: the exchange with the shortest round trip tells it best.

const KEEP = 20;

export class HostClock {
  #samples = [];

  /** One exchange: asked and answered at our performance.now() in ms, `hostNs` was the other clock in between. */
  add(askedMs, answeredMs, hostNs) {
    const roundTripMs = Math.max(0, answeredMs - askedMs);
    this.#samples.push({ roundTripMs, offsetMs: hostNs / 1e6 - (askedMs + roundTripMs / 2) });
    if (this.#samples.length > KEEP) this.#samples.shift();
  }

  get #best() {
    return this.#samples.reduce((best, one) => (best && best.roundTripMs <= one.roundTripMs ? best : one), null);
  }

  /** The pit wall's monotonic clock in ms at our `atMs`; null before the first exchange. */
  hostMs(atMs) {
    const best = this.#best;
    return best && atMs + best.offsetMs;
  }

  /** How far off `hostMs` may be. */
  get errorMs() {
    return (this.#best?.roundTripMs ?? 0) / 2;
  }
}
