// The line above the chart: values of the candle under the cursor, else of the last one.

/** @import { ChartCandle } from "./series.js" */
/** @import { Periods } from "./averages.js" */

import { create } from "../dom.js";
import { formatDecimal, formatVolume } from "../format.js";

/**
 * @param {HTMLElement} element
 * @param {object} values
 * @param {ChartCandle | undefined} values.candle
 * @param {{sma: number | undefined, ema: number | undefined}} values.averages at that candle
 * @param {Periods} values.periods
 * @param {number} values.precision decimal places of prices
 */
export function showLegend(element, { candle, averages, periods, precision }) {
  if (!candle) {
    element.replaceChildren();
    return;
  }
  /** @param {number | undefined} value */
  const price = (value) => formatDecimal(value?.toFixed(precision));
  element.replaceChildren(
    item("", "O", price(candle.open)),
    item("", "H", price(candle.high)),
    item("", "L", price(candle.low)),
    item(candle.close >= candle.open ? "up" : "down", "C", price(candle.close)),
    item("volume", "V", formatVolume(candle.volume)),
    item("sma", `SMA ${periods.sma}`, price(averages.sma)),
    item("ema", `EMA ${periods.ema}`, price(averages.ema)),
  );
}

/**
 * @param {string} className
 * @param {string} name
 * @param {string} value
 */
function item(className, name, value) {
  return create("span", { className }, create("b", {}, name), ` ${value}`);
}
