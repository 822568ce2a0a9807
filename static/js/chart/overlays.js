// What is drawn over the candles of one symbol: signals and stop prices.

/** @import { SignalMarker, StopLine } from "./chart.js" */
/** @import { CandleSeries } from "./series.js" */
/** @import { Position, Signal } from "../messages.js" */

import { timestamp } from "./series.js";

/**
 * Signals as arrows on their candles, oldest first. Those of one candle and side share an arrow
 * with the names of their strategies.
 *
 * @param {Signal[]} signals of the series' symbol
 * @param {CandleSeries} series
 * @returns {SignalMarker[]}
 */
export function signalMarkers(signals, series) {
  const first = series.candles[0]?.time ?? Number.POSITIVE_INFINITY;
  /** @type {Map<string, Omit<SignalMarker, "text"> & {strategies: Set<string>}>} */
  const markers = new Map();
  for (const { candle_open_time, created_at, side, strategy } of signals) {
    const time = series.openTime(timestamp(candle_open_time ?? created_at));
    if (time < first) continue;
    const key = `${time} ${side}`;
    const strategies = markers.get(key)?.strategies ?? new Set();
    markers.set(key, { time, side, strategies: strategies.add(strategy) });
  }
  return [...markers.values()]
    .sort((a, b) => a.time - b.time)
    .map(({ time, side, strategies }) => ({ time, side, text: joined(strategies) }));
}

/** @param {Set<string>} names */
function joined(names) {
  return [...names].sort((a, b) => a.localeCompare(b)).join(" ");
}

/**
 * @param {Position[]} positions of the chart's symbol
 * @param {number} precision decimal places of prices
 * @returns {StopLine[]}
 */
export function stopLines(positions, precision) {
  return positions
    .filter((position) => position.stop_price !== null)
    .map(({ stop_price, strategy }) => ({
      price: Number(Number(stop_price).toFixed(precision)),
      title: `Stop ${strategy}`,
    }));
}
