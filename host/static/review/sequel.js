// Where a recording went on in another session: links to the one before and the one after.

import { part, say } from "../dom.js";
import * as api from "./api.js";
import { nameOf, neighboursOf } from "./names.js";

export class Sequel {
  #root;

  constructor(root) {
    this.#root = part(root, "sequel");
  }

  /** Look for both among all sessions; where the pit wall does not answer there are none. */
  async look(summary) {
    const { sessions } = await api.all().catch(() => ({ sessions: [] }));
    const { before, after } = neighboursOf(summary, sessions);
    this.#root.hidden = !before && !after;
    this.#tell("before", before, before?.duration_s);
    this.#tell("after", after, 0);
  }

  /** Past the end (`direction` 1) or the beginning (−1): offer what lies there; Enter follows. */
  offer(direction) {
    const link = part(this.#root, direction > 0 ? "after" : "before");
    if (!link.hidden && !document.activeElement.matches("input, select")) link.focus();
  }

  #tell(which, session, seconds) {
    const link = part(this.#root, which);
    link.hidden = !session;
    if (!session) return;
    link.href = api.playerOf(session.name, { seconds });
    say(part(link, "name"), nameOf(session));
  }
}
