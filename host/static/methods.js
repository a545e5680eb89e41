// The methods a map can be made with, by what they are good for, and which of them the car's pilot can do.

import { make, part, say, sayOrHide } from "./dom.js";

export const GROUPS = [
  ["Where it looks", [
    { name: "visualbackprop", title: "VisualBackProp", says: "What the convolutions react to. The same map for every output." },
    { name: "coverage", title: "VisualBackProp, coverage-normalised", says: "The same without grid and dark border: calmer, a little less faithful." },
    { name: "gradient", title: "Input gradient", says: "Where a small change would change the output most, either way. Grainy." },
  ]],
  ["Which way it pushes", [
    { name: "gradient-visualbackprop", title: "Gradient VisualBackProp", says: "What moves the output the way it went from a blurred picture. The most faithful map for every frame." },
    { name: "gradient-input", title: "Gradient × (input − blur)", says: "What each pixel adds to the output, as if the pilot were linear. Grainy." },
    { name: "gradcam", title: "Grad-CAM", says: "Which places of one layer push the output, each channel weighed once. Coarse, and often wrong.", layer: true },
    { name: "hirescam", title: "HiResCAM", says: "What each place of one layer adds to the output. Coarse for late layers.", layer: true },
  ]],
  ["Which way it pushes, in the background", [
    { name: "integrated-visualbackprop", title: "Integrated VisualBackProp", says: "What moves the output the way it went from a blurred picture. The most faithful map of all, some frames late.", slow: true },
    { name: "integrated-gradients", title: "Integrated gradients", says: "What each pixel adds on the way from a blurred frame to this one. Some frames late.", slow: true },
  ]],
  ["To compare with", [
    { name: "edges", title: "Edges", says: "Where brightness changes. Does not look at the pilot." },
  ]],
  ["To compare with, in the background", [
    { name: "itti", title: "Itti, Koch and Niebur", says: "What stands out to an eye that knows nothing of driving. Does not look at the pilot. Some frames late.", slow: true },
  ]],
];

const ALL = new Map(GROUPS.flatMap(([, methods]) => methods).map((method) => [method.name, method]));
const TARGETS = { steering: "steering", throttle: "throttle", "steering-bin": "chosen steering bin", "throttle-bin": "chosen throttle bin" };
const LAST_LAYER = "the last one";

export class Methods {
  #form;
  #known = "";

  constructor(form) {
    this.#form = form;
    const { method, target, layer } = form.elements;
    method.replaceChildren(...GROUPS.map(([label, methods]) => make("optgroup", { label }, ...methods.map(optionOf))));
    target.replaceChildren(...Object.entries(TARGETS).map(([value, textContent]) => make("option", { value, textContent })));
    layer.replaceChildren(make("option", { value: "", textContent: LAST_LAYER }));
  }

  /** What the car's pilot can do; a car that does not tell can do everything. */
  offer({ methods, refusals, targets, layers }) {
    const told = JSON.stringify([methods, refusals, targets, layers]);
    if (told === this.#known) return;
    this.#known = told;
    const { method, target, layer } = this.#form.elements;
    for (const option of method.options) {
      const why = methods.length && !methods.includes(option.value) ? refusals[option.value] ?? "Not known to this car." : "";
      option.disabled = Boolean(why);
      option.title = why;
    }
    for (const option of target.options) option.hidden = option.disabled = targets.length > 0 && !targets.includes(option.value);
    const chosen = layer.value;
    layer.replaceChildren(make("option", { value: "", textContent: LAST_LAYER }), ...layers.map((name) => make("option", { value: name, textContent: name })));
    layer.value = layers.includes(chosen) ? chosen : "";
    sayOrHide(part(this.#form, "unavailable"), unavailable(refusals));
  }

  /** Tell what the chosen method is worth, and offer layers where it takes one. */
  tell() {
    const method = ALL.get(this.#form.elements.method.value);
    say(part(this.#form, "worth"), method?.says ?? "");
    part(this.#form, "layers").hidden = !method?.layer;
  }
}

/** The value after the chosen one among those that can be chosen. */
export function next({ options, selectedIndex }) {
  for (let step = 1; step <= options.length; step++) {
    const option = options[(selectedIndex + step) % options.length];
    if (!option.disabled) return option.value;
  }
  return "";
}

const optionOf = ({ name, title }) => make("option", { value: name, textContent: title });

function unavailable(refusals) {
  const byReason = new Map();
  for (const [name, why] of Object.entries(refusals)) byReason.set(why, [...(byReason.get(why) ?? []), ALL.get(name)?.title ?? name]);
  return [...byReason].map(([why, names]) => `Not with this pilot: ${names.join(", ")}. ${why}`).join(" ");
}
