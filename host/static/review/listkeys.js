// The keyboard of the list: keys act on the row that has the focus.

/** The bindings for the list. `page`: rows() in the order of the page, and the parts that keys are for. */
export function keysOf(page) {
  const chosen = () => page.rows().find(({ element }) => element.contains(document.activeElement));
  const on = (act) => () => {
    const row = chosen();
    if (!row || page.filter.trash) return false;
    return act(row);
  };
  const remove = on((row) => row.session.recording || page.remove(row));
  const rename = on((row) => row.rename());
  return [
    { does: { arrowup: () => step(page.rows(), chosen(), -1), arrowdown: () => step(page.rows(), chosen(), 1) }, says: "go through the sessions" },
    { does: { enter: on((row) => row.open()) }, shown: ["Enter"], says: "open" },
    { does: { m: on((row) => row.mark()) }, says: "mark: keep it whatever the disk’s limits say", once: true },
    { does: { e: rename, f2: rename }, shown: ["E"], says: "rename" },
    { does: { delete: remove, backspace: remove }, shown: ["Del"], says: "delete", once: true },
    { does: { z: () => page.undo() }, says: "undo deleting", once: true },
    { does: { x: on((row) => page.compare.toggle(row)) }, says: "choose, two to compare", once: true },
    { does: { c: () => page.compare.go(), escape: () => page.compare.clear() }, shown: ["C"], says: "compare the two" },
    { does: { "/": () => page.filter.focus() }, says: "search" },
  ];
}

function step(rows, from, by) {
  const at = rows.indexOf(from);
  const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))];
  next?.element.focus({ preventScroll: true });
  next?.element.scrollIntoView({ block: "nearest" });
}
