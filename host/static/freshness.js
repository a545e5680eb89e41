// Whether what is on screen may be taken for what the car sees now.

import { duration } from "./format.js";

/** How old a picture is: from `shown` = { capturedNs, errorNs, sentNs, heardMs } and the pit wall's clock as known here. */
export function ageOf(shown, clock, nowMs) {
  const hostMs = clock?.hostMs(nowMs) ?? shown.sentNs / 1e6 + (nowMs - shown.heardMs);
  return { ms: Math.max(0, hostMs - shown.capturedNs / 1e6), errorMs: shown.errorNs / 1e6 + (clock?.errorMs ?? 0) };
}

/** { state: "waiting" | "live" | "stale", headline, reason }. `ageMs` null: no picture was shown yet. */
export function judge(ageMs, staleAfterMs, { trouble, problem }) {
  const reason = problem || trouble || "";
  if (ageMs === null) return { state: "waiting", headline: "No picture yet", reason };
  if (ageMs < staleAfterMs) return { state: "live", headline: "", reason: "" };
  return {
    state: "stale",
    headline: `Not live: ${duration(ageMs)} old`,
    reason: reason || "The car sends no fresh pictures.",
  };
}
