// Two canvases on top of each other: what rarely changes, and what moves. Drawn on in CSS pixels.

export class Layers {
  #canvases;

  constructor(box) {
    this.box = box;
    this.#canvases = [...box.querySelectorAll("canvas")];
  }

  get width() {
    return this.#canvases[0].clientWidth;
  }

  get height() {
    return this.#canvases[0].clientHeight;
  }

  /** Give the canvases as many pixels as they take; true if that changed. */
  fit() {
    return this.#canvases.map(fit).some(Boolean);
  }

  pen(layer) {
    const ratio = window.devicePixelRatio || 1;
    const pen = this.#canvases[layer].getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    return pen;
  }

  /** An empty layer's pen. */
  clear(layer) {
    const pen = this.pen(layer);
    pen.clearRect(0, 0, this.width, this.height);
    return pen;
  }
}

function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width === wide && canvas.height === high) return false;
  [canvas.width, canvas.height] = [wide, high];
  return true;
}
