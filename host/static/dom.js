// Small things for the document. Text from the wire only ever becomes text.

/** The one element in `root` that carries the attribute data-`name`. */
export const part = (root, name) => root.querySelector(`[data-${name}]`);

/** Set an element's text, only if it differs. */
export function say(element, text) {
  const said = String(text);
  if (element.textContent !== said) element.textContent = said;
}

/** Show `text`, or hide the element when there is none. */
export function sayOrHide(element, text) {
  say(element, text);
  element.hidden = !text;
}

/** A new element with attributes-as-properties and children (strings become text). */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const finite = (value) => typeof value === "number" && Number.isFinite(value);

/** Milliseconds for people: "31 ms", "3.2 s", "4 min". */
export function duration(ms) {
  if (!finite(ms)) return "–";
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 99_950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 5_970_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** A number with a sign that keeps its width. */
export function signed(value, digits = 2) {
  if (!finite(value)) return "–";
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : `+${text}`;
}

export function bytes(count) {
  if (!finite(count)) return "–";
  if (count < 1e6) return `${(count / 1e3).toFixed(0)} kB`;
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`;
}

/** Seconds as 0:07, 12:30, 1:02:03. */
export function clockTime(seconds) {
  const whole = Math.floor(finite(seconds) ? seconds : 0);
  const pad = (value) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}
