// Numbers as people read them.

const finite = (value) => typeof value === "number" && Number.isFinite(value);
const pad = (value) => String(value).padStart(2, "0");

/** Milliseconds: "31 ms", "3.2 s", "4 min". */
export function duration(ms) {
  if (!finite(ms)) return "–";
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 99_950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 5_970_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** Seconds as 0:07, 12:30, 1:02:03, never more than have passed; with so many decimals 0:07.25. */
export function clockTime(seconds, decimals = 0) {
  const unit = 10 ** decimals;
  const units = Math.floor(Math.max(0, finite(seconds) ? seconds : 0) * unit + 1e-6);
  const whole = Math.floor(units / unit);
  const fraction = decimals ? `.${String(units % unit).padStart(decimals, "0")}` : "";
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}${fraction}` : `${m}:${pad(s)}${fraction}`;
}

/** Seconds as people plan with them: "40 min", "6 h 20 min", "12 days". */
export function planned(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return "less than a minute";
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return hours < 10 && minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
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

/** "1 frame", "7 frames". */
export const counted = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;
