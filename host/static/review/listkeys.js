// The keyboard of the list: keys act on the row that has the focus.

const ACTIONS = {
  m: (row) => row.mark(),
  e: (row) => row.rename(),
  f2: (row) => row.rename(),
  x: (row, { compare }) => compare.toggle(row),
  delete: (row, { remove }) => row.session.recording || remove(row),
  backspace: (row, { remove }) => row.session.recording || remove(row),
  enter: (row) => row.element.querySelector("[data-title]").click(),
};

/** `page`: rows() in the order of the page, and the parts that keys are for. */
export function listen(page) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || page.help.open) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const key = event.key.toLowerCase();
    if (key === "enter" && event.target.closest("a, button, input")) return;
    if (press(key, page)) event.preventDefault();
  });
}

function press(key, page) {
  const rows = page.rows();
  const at = rows.findIndex(({ element }) => element.contains(document.activeElement));
  if (key === "?") page.help.showModal();
  else if (key === "/") page.filter.focus();
  else if (key === "z") page.toast.undo();
  else if (key === "c") page.compare.go();
  else if (key === "escape") page.compare.clear();
  else if (key === "arrowdown" || key === "arrowup") step(rows, at, key === "arrowdown" ? 1 : -1);
  else if (rows[at] && !page.filter.trash && Object.hasOwn(ACTIONS, key)) ACTIONS[key](rows[at], page);
  else return false;
  return true;
}

function step(rows, at, by) {
  const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))];
  next?.element.focus({ preventScroll: true });
  next?.element.scrollIntoView({ block: "nearest" });
}
