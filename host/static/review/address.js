// What the player's address says: which session, beside which other one, at which time.

const SETTLE_MS = 400; // a time stands in the address once the picture has stood still so long

export const nameIn = ({ pathname }) => decodeURIComponent(pathname.split("/")[2] ?? "");
export const otherIn = ({ search }) => new URLSearchParams(search).get("with") ?? "";

/** The seconds in a fragment like #t=12.3; 0 where there are none. */
export function secondsIn({ hash }) {
  const seconds = Number(new URLSearchParams(hash.slice(1)).get("t"));
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}

export function tellOther(other) {
  const address = new URL(location.href);
  if (other) address.searchParams.set("with", other);
  else address.searchParams.delete("with");
  history.replaceState(null, "", address);
}

let timer = 0;

export function tellSeconds(seconds) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const hash = `#t=${Number(seconds.toFixed(3))}`;
    if (location.hash !== hash) history.replaceState(null, "", hash);
  }, SETTLE_MS);
}
