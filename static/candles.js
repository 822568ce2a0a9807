// One series of candles as the page knows it, and the averages drawn over them.

/** @import { UTCTimestamp } from "lightweight-charts" */
/** @import { Candle, Verdict } from "./messages.js" */

/**
 * A candle in numbers, for drawing; `time` is when it opened, in seconds.
 *
 * @typedef {object} DrawnCandle
 * @property {UTCTimestamp} time
 * @property {number} open
 * @property {number} high
 * @property {number} low
 * @property {number} close
 * @property {number} volume
 * @property {boolean} closed
 * @property {Verdict | null} verdict
 */
/** @typedef {{time: UTCTimestamp, value: number}} Point */
/** @typedef {{sma: Point[], ema: Point[]}} Averages */
/** @typedef {{sma: number, ema: number}} Periods */
/** @typedef {"changed" | "earlier" | "old" | "gap"} Change */

/** @type {Record<string, number>} */
const SPANS = { s: 1, m: 60, h: 3600, d: 86_400 };

/** @param {string} interval */
export function seconds(interval) {
  return Number.parseInt(interval, 10) * (SPANS[interval.slice(-1)] ?? Number.NaN);
}

/**
 * @param {string} time as the API writes it
 * @returns {UTCTimestamp}
 */
export function timestamp(time) {
  return /** @type {UTCTimestamp} */ (Date.parse(time) / 1000);
}

/**
 * @param {Candle} candle
 * @returns {DrawnCandle}
 */
function drawn(candle) {
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

export class Candles {
  /**
   * @param {string} interval
   * @param {Candle[]} candles oldest first
   */
  constructor(interval, candles) {
    this.step = seconds(interval);
    this.list = candles.map(drawn);
  }

  get last() {
    return this.list.at(-1);
  }

  /**
   * When the candle opens that holds this time.
   *
   * @param {UTCTimestamp} time
   */
  openTime(time) {
    return /** @type {UTCTimestamp} */ (time - (time % this.step));
  }

  /**
   * Put a candle in by its open time: "changed", "earlier" where it is not the last one, "old"
   * where it is outdated, "gap" where candles are missing before it.
   *
   * @param {Candle} candle
   * @returns {Change}
   */
  upsert(candle) {
    const next = drawn(candle);
    const { last } = this;
    if (last && next.time > last.time + this.step) return "gap";
    if (last && next.time < last.time) return this.replace(next);
    if (last && next.time === last.time) {
      if (last.closed && !next.closed) return "old";
      this.list[this.list.length - 1] = next;
    } else {
      if (last && !last.closed && next.closed) return "gap"; // the one before never closed
      this.list.push(next);
    }
    return "changed";
  }

  /**
   * @param {DrawnCandle} candle
   * @returns {Change}
   */
  replace(candle) {
    const at = this.list.findIndex((each) => each.time === candle.time);
    const known = this.list[at];
    if (!known || (known.closed && !candle.closed)) return "old";
    this.list[at] = candle;
    return "earlier";
  }

  /**
   * A tick of another interval's message: it moves the open candle, but tells no volume.
   *
   * @param {number} price
   * @param {UTCTimestamp} time
   * @returns {Change}
   */
  touch(price, time) {
    const { last } = this;
    if (!last || last.closed || time < last.time) return "old";
    if (time >= last.time + this.step) return "gap";
    last.close = price;
    last.high = Math.max(last.high, price);
    last.low = Math.min(last.low, price);
    return "changed";
  }
}

/**
 * Both averages at every candle, oldest first; points exist once there are enough candles.
 *
 * @param {DrawnCandle[]} list
 * @param {Periods} periods
 * @returns {Averages}
 */
export function averages(list, periods) {
  return { sma: simple(list, periods.sma), ema: exponential(list, periods.ema) };
}

/**
 * @param {DrawnCandle[]} list
 * @param {number} period
 */
function simple(list, period) {
  /** @type {Point[]} */
  const points = [];
  let sum = 0;
  for (const [at, { time, close }] of list.entries()) {
    sum += close - (list[at - period]?.close ?? 0);
    if (at >= period - 1) points.push({ time, value: sum / period });
  }
  return points;
}

/**
 * Begins with the simple average of the first `period` candles.
 *
 * @param {DrawnCandle[]} list
 * @param {number} period
 */
function exponential(list, period) {
  /** @type {Point[]} */
  const points = [];
  const weight = 2 / (period + 1);
  let sum = 0;
  let value = 0;
  for (const [at, { time, close }] of list.entries()) {
    sum += close;
    value = at < period ? sum / period : value + weight * (close - value);
    if (at >= period - 1) points.push({ time, value });
  }
  return points;
}
