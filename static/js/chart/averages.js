// Moving averages of closing prices, for drawing alone: strategies compute their own, exactly.

/** @import { UTCTimestamp } from "lightweight-charts" */
/** @import { ChartCandle } from "./series.js" */

/** @typedef {{sma: number, ema: number}} Periods */
/** @typedef {{time: UTCTimestamp, value: number}} Point */
/** @typedef {{sma: Point[], ema: Point[]}} Averages */

/**
 * Both averages at every candle; points exist once there are enough candles.
 *
 * @param {ChartCandle[]} candles oldest first
 * @param {Periods} periods
 * @returns {Averages}
 */
export function movingAverages(candles, periods) {
  return { sma: sma(candles, periods.sma), ema: ema(candles, periods.ema) };
}

/**
 * @param {ChartCandle[]} candles
 * @param {number} period
 */
function sma(candles, period) {
  /** @type {Point[]} */
  const points = [];
  let sum = 0;
  for (const [index, { time, close }] of candles.entries()) {
    sum += close - (candles[index - period]?.close ?? 0);
    if (index >= period - 1) points.push({ time, value: sum / period });
  }
  return points;
}

/**
 * Seeded with the simple average of the first `period` closes.
 *
 * @param {ChartCandle[]} candles
 * @param {number} period
 */
function ema(candles, period) {
  /** @type {Point[]} */
  const points = [];
  const weight = 2 / (period + 1);
  let sum = 0;
  let value = 0;
  for (const [index, { time, close }] of candles.entries()) {
    sum += close;
    value = index < period ? sum / period : value + weight * (close - value);
    if (index >= period - 1) points.push({ time, value });
  }
  return points;
}
