// Numbers and times as people read them. Amounts arrive as decimal text and stay text.

const MINUS = "\u2212";

/**
 * "61837.6" with 2 places -> "61,837.60"; extra places are kept, never rounded away.
 *
 * @param {string | null | undefined} text
 */
export function price(text, places = 0) {
  if (text === null || text === undefined) return "–";
  const [whole = "", fraction = ""] = text.replace("-", "").split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const shown = fraction.padEnd(places, "0");
  return (text.startsWith("-") ? MINUS : "") + grouped + (shown ? `.${shown}` : "");
}

/**
 * How many places a step such as "0.01" has.
 *
 * @param {string} step
 */
export function placesOf(step) {
  return (step.split(".")[1] ?? "").length;
}

/**
 * A computed amount, for looking at: sign and two places (more where it is small).
 *
 * @param {number | null} value
 */
export function signed(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const places = size !== 0 && size < 1 ? 4 : 2;
  const text = price(size.toFixed(places));
  if (Number(size.toFixed(places)) === 0) return text;
  return (value < 0 ? MINUS : "+") + text;
}

/** @param {number} fraction */
export function percent(fraction) {
  if (!Number.isFinite(fraction)) return "–";
  return `${fraction < 0 ? MINUS : "+"}${Math.abs(fraction * 100).toFixed(2)}\u00a0%`;
}

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });

/**
 * Short for volumes: 1234.5 -> "1.23K".
 *
 * @param {number} value
 */
export function compact(value) {
  return COMPACT.format(value);
}

/**
 * "14:03:59" today, "Nov 21 14:03" before; UTC.
 *
 * @param {string | null | undefined} iso
 */
export function clock(iso, now = new Date()) {
  if (!iso) return "–";
  if (iso.slice(0, 10) === now.toISOString().slice(0, 10)) return iso.slice(11, 19);
  const day = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", timeZone: "UTC" });
  return `${day.format(new Date(iso))} ${iso.slice(11, 16)}`;
}

/** @param {number} seconds */
export function age(seconds) {
  if (seconds < 1.5) return "just now";
  if (seconds < 60) return `${Math.round(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}
