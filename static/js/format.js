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

const MAX_PLACES = 12; // what lies behind them is the computer's rounding, not an amount

/**
 * A computed profit or loss: its sign, and the digits that its size needs: two decimal places, of
 * less than one three digits behind the zeros. 12.345 -> "+12.35", 0.0000412 -> "+0.0000412"
 *
 * @param {number | null} value
 */
export function formatPnl(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const zeros = size > 0 && size < 1 ? Math.floor(-Math.log10(size)) : 0;
  const precision = size > 0 && size < 1 ? Math.min(zeros + 3, MAX_PLACES) : 2;
  const rounded = size.toFixed(precision);
  if (Number(rounded) === 0) return "0.00";
  const text = rounded.replace(/(\.\d{2}\d*?)0+$/, "$1");
  return (value < 0 ? MINUS : "+") + formatDecimal(text);
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
