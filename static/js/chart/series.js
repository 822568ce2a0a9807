// The candles of one symbol and interval, brought up to date by socket messages.

/** @import { UTCTimestamp } from "lightweight-charts" */
/** @import { Candle, Verdict } from "../messages.js" */

/**
 * A candle in numbers, for drawing; `time` is its open time in seconds.
 *
 * @typedef {object} ChartCandle
 * @property {UTCTimestamp} time
 * @property {number} open
 * @property {number} high
 * @property {number} low
 * @property {number} close
 * @property {number} volume
 * @property {boolean} closed
 * @property {Verdict | null} verdict
 */
/**
 * The candle that changed: the last one or an earlier one, or none; "gap" where candles are missing
 * before it, so that the API has to be asked.
 *
 * @typedef {"last" | "earlier" | "none" | "gap"} Change
 */

/** @type {Record<string, number>} */
const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 };

/** @param {string} interval */
export function intervalSeconds(interval) {
  return Number.parseInt(interval, 10) * (UNIT_SECONDS[interval.slice(-1)] ?? Number.NaN);
}

/**
 * @param {string} iso
 * @returns {UTCTimestamp}
 */
export function timestamp(iso) {
  return /** @type {UTCTimestamp} */ (Date.parse(iso) / 1000);
}

/**
 * @param {Candle} candle
 * @returns {ChartCandle}
 */
function chartCandle(candle) {
  return {
    time: timestamp(candle.open_time),
    open: Number(candle.open),
    high: Number(candle.high),
    low: Number(candle.low),
    close: Number(candle.close),
    volume: Number(candle.volume),
    closed: candle.closed,
    verdict: candle.verdict,
  };
}

export class CandleSeries {
  /**
   * @param {string} interval
   * @param {Candle[]} candles oldest first
   */
  constructor(interval, candles) {
    this.intervalSeconds = intervalSeconds(interval);
    this.candles = candles.map(chartCandle);
  }

  get last() {
    return this.candles.at(-1);
  }

  /**
   * The open time of the candle that holds `time`.
   *
   * @param {UTCTimestamp} time
   */
  openTime(time) {
    return /** @type {UTCTimestamp} */ (time - (time % this.intervalSeconds));
  }

  /**
   * Put a candle in by its open time.
   *
   * @param {Candle} candle
   * @returns {Change}
   */
  upsert(candle) {
    const next = chartCandle(candle);
    const { last } = this;
    if (last && next.time > last.time + this.intervalSeconds) return "gap";
    if (last && next.time < last.time) return this.replaceEarlier(next);
    if (last && next.time === last.time) {
      if (last.closed && !next.closed) return "none";
      this.candles[this.candles.length - 1] = next;
    } else {
      if (last && !last.closed && next.closed) return "gap"; // the one before never closed
      this.candles.push(next);
    }
    return "last";
  }

  /**
   * @param {ChartCandle} candle
   * @returns {Change}
   */
  replaceEarlier(candle) {
    const index = this.candles.findIndex(({ time }) => time === candle.time);
    const known = this.candles[index];
    if (!known || (known.closed && !candle.closed)) return "none";
    this.candles[index] = candle;
    return "earlier";
  }

  /**
   * Move the open candle's price; the volume of the tick is not known.
   *
   * @param {number} price
   * @param {UTCTimestamp} time
   * @returns {Change}
   */
  applyTick(price, time) {
    const { last } = this;
    if (!last || last.closed || time < last.time) return "none";
    if (time >= last.time + this.intervalSeconds) return "gap";
    last.close = price;
    last.high = Math.max(last.high, price);
    last.low = Math.min(last.low, price);
    return "last";
  }
}
