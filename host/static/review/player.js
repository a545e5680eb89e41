// The player of one session: opens it, and follows it while it is being recorded.

import { pause, say } from "../dom.js";
import { Keyboard } from "../keyboard.js";
import { nameIn, otherIn, secondsIn } from "./address.js";
import * as api from "./api.js";
import { Page } from "./page.js";
import { keysOf } from "./playerkeys.js";
import { Recording } from "./recording.js";

const GROW_MS = 700;
const NOTES_MS = 4000; // others may set bookmarks meanwhile

const root = document.getElementById("player");
const facts = document.getElementById("facts");

/** Fill the recording until there is a first frame of it; returns what is said of it. */
async function opened(recording) {
  for (;;) {
    const [summary] = await Promise.all([api.session(recording.name), recording.refresh()]);
    if (recording.length) return summary;
    if (!recording.recording) throw new Error(recording.trouble || "There is nothing to be seen in this session.");
    say(facts, "waiting for the first frame…");
    await pause(GROW_MS);
  }
}

/** Ask for what was recorded since, for as long as it is being recorded. */
async function grow(page) {
  const { recording } = page;
  let asked = performance.now();
  let lost = false;
  while (recording.recording) {
    await pause(GROW_MS);
    try {
      if (await recording.refresh()) page.grew();
      const due = performance.now() - asked > NOTES_MS || !recording.recording;
      if (due) page.know(await api.session(recording.name));
      if (due) asked = performance.now();
      if (lost) page.problem("");
      lost = false;
    } catch (error) {
      lost = true;
      page.problem(error.message);
    }
  }
}

async function start() {
  const recording = new Recording(nameIn(location));
  try {
    const summary = await opened(recording);
    const page = new Page(root, recording);
    new Keyboard(keysOf(page));
    window.addEventListener("hashchange", () => page.goTo(secondsIn(location) * recording.hz));
    page.start(summary, secondsIn(location));
    const other = otherIn(location);
    if (other && other !== recording.name) page.screens.compare(other);
    const wasRecording = recording.recording;
    await Promise.all([page.sequel.look(summary), grow(page)]);
    if (wasRecording) await page.sequel.look(summary); // where it went on, by now
  } catch (error) {
    say(facts, error.message);
    root.dataset.state = "failed";
    if (!(error instanceof Error) || error.constructor !== Error) throw error;
  }
}

start();
