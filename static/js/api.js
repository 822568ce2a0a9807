// The REST API, as this page asks it.

/** @import { Candle, Followed, Halt, HaltLevel, RecordType, Records, Strategy } from "./messages.js" */

const RECORD_PATHS = {
  position: "/positions?status=open&limit=200",
  order: "/orders?limit=100",
  signal: "/signals?limit=100",
  trade: "/trades?limit=100",
};

/** @returns {Promise<{symbols: Followed[]}>} */
export const getSymbols = () => request("/symbols");

/** @returns {Promise<{strategies: Strategy[]}>} */
export const getStrategies = () => request("/strategy");

/** @returns {Promise<Halt>} */
export const getHalt = () => request("/halt");

/**
 * The newest candles, oldest first, the open one last.
 *
 * @param {string} symbol
 * @param {string} interval
 * @returns {Promise<{candles: Candle[]}>}
 */
export const getCandles = (symbol, interval) =>
  request(`/candles/${symbol}?interval=${interval}&limit=500&forming=true`);

/**
 * The newest records of a type.
 *
 * @template {RecordType} T
 * @param {T} type
 * @returns {Promise<{results: Records[T][]}>}
 */
export const getRecords = (type) => request(RECORD_PATHS[type]);

/**
 * @param {HaltLevel} level
 * @returns {Promise<Halt>}
 */
export function postHalt(level) {
  const token = document.querySelector('meta[name="csrf-token"]')?.getAttribute("content") ?? "";
  return request("/halt", {
    method: "POST",
    headers: {
      Accept: "application/json",
      "Content-Type": "application/json",
      "X-CSRFToken": token,
    },
    body: JSON.stringify({ level, reason: "from the dashboard" }),
  });
}

/**
 * The answer's JSON. Throws the API's own words where it refuses.
 *
 * @param {string} path
 * @param {RequestInit} [options]
 */
async function request(path, options = { headers: { Accept: "application/json" } }) {
  const response = await fetch(path, options);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `${path} answered ${response.status}`);
  return body;
}
