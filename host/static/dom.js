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

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
