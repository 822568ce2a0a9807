// Numbers and times as people read them. Amounts arrive as decimal text and stay text.

const MINUS = "\u2212";
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
const DAY = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", timeZone: "UTC" });

/**
 * "61837.6" with precision 2 -> "61,837.60"; further decimal places are kept, never rounded away.
 *
 * @param {string | null | undefined} text
 */
export function formatDecimal(text, precision = 0) {
  if (text === null || text === undefined) return "–";
  const [whole = "", fraction = ""] = text.replace("-", "").split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const shown = fraction.padEnd(precision, "0");
  return (text.startsWith("-") ? MINUS : "") + grouped + (shown ? `.${shown}` : "");
}

/**
 * Decimal places of a step such as "0.01".
 *
 * @param {string} step
 */
export function precisionOf(step) {
  return (step.split(".")[1] ?? "").length;
}

/**
 * A computed profit or loss: sign and two decimal places (four where it is small).
 *
 * @param {number | null} value
 */
export function formatPnl(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const precision = size !== 0 && size < 1 ? 4 : 2;
  const text = formatDecimal(size.toFixed(precision));
  if (Number(size.toFixed(precision)) === 0) return text;
  return (value < 0 ? MINUS : "+") + text;
}

/** @param {number} fraction */
export function formatPercent(fraction) {
  if (!Number.isFinite(fraction)) return "–";
  return `${fraction < 0 ? MINUS : "+"}${Math.abs(fraction * 100).toFixed(2)}\u00a0%`;
}

/**
 * 1234.5 -> "1.23K"
 *
 * @param {number} value
 */
export function formatVolume(value) {
  return COMPACT.format(value);
}

/**
 * "14:03:59" today, "Nov 21 14:03" before; UTC.
 *
 * @param {string | null | undefined} iso
 */
export function formatTime(iso, now = new Date()) {
  if (!iso) return "–";
  if (iso.slice(0, 10) === now.toISOString().slice(0, 10)) return iso.slice(11, 19);
  return `${DAY.format(new Date(iso))} ${iso.slice(11, 16)}`;
}

/** @param {number} seconds */
export function formatAge(seconds) {
  if (seconds < 1.5) return "just now";
  if (seconds < 60) return `${Math.round(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}

/**
 * A code of the API in words: "stop_loss", "FILLED" -> "stop loss", "filled".
 *
 * @param {string} code
 */
export function formatCode(code) {
  return code.toLowerCase().replaceAll("_", " ");
}
