// What the page knows of each symbol: how its prices are written, and the last one.

/** @import { Followed, FormingCandle, Stream } from "./messages.js" */

import { placesOf } from "./format.js";

/**
 * `text` and `time` (milliseconds) are those of the last tick; null before the first one.
 *
 * @typedef {object} Quote
 * @property {string} base
 * @property {string} quote
 * @property {string} step
 * @property {Stream} stream
 * @property {string | null} text
 * @property {number | null} time
 */

export class Market {
  /** @type {Map<string, Quote>} */
  symbols = new Map();

  /**
   * Take the answer of `/symbols`; prices that came over the socket since are newer.
   *
   * @param {Followed[]} list
   */
  load(list) {
    const before = this.symbols;
    this.symbols = new Map(list.map((one) => [one.symbol, quote(one, before.get(one.symbol))]));
  }

  /**
   * A forming candle's last tick; false where it is not newer, or the symbol is not followed.
   *
   * @param {FormingCandle} candle
   */
  tick({ symbol, last_price: text, time }) {
    const known = this.symbols.get(symbol);
    const at = Date.parse(time);
    if (!known || (known.time !== null && at < known.time)) return false;
    Object.assign(known, { text, time: at });
    return true;
  }

  get names() {
    return [...this.symbols.keys()];
  }

  /**
   * Who writes its candles, and the like, as `/symbols` told last.
   *
   * @param {string} symbol
   */
  stream(symbol) {
    return this.symbols.get(symbol)?.stream;
  }

  /** @param {string} symbol */
  step(symbol) {
    const step = Number(this.symbols.get(symbol)?.step);
    return step > 0 ? step : 0.01;
  }

  /** @param {string} symbol */
  places(symbol) {
    return placesOf(this.symbols.get(symbol)?.step ?? "0.01");
  }

  /** @param {string} symbol */
  lastText(symbol) {
    return this.symbols.get(symbol)?.text ?? null;
  }

  /** @param {string} symbol */
  lastPrice(symbol) {
    const text = this.lastText(symbol);
    return text === null ? undefined : Number(text);
  }

  /**
   * Seconds since the last tick, by the exchange's time; null before the first one.
   *
   * @param {string} symbol
   */
  age(symbol, now = Date.now()) {
    const time = this.symbols.get(symbol)?.time ?? null;
    return time === null ? null : Math.max(0, (now - time) / 1000);
  }
}

/**
 * @param {Followed} followed
 * @param {Quote | undefined} known
 * @returns {Quote}
 */
function quote({ base_asset, quote_asset, rules, stream }, known) {
  const time = stream.last_tick_time ? Date.parse(stream.last_tick_time) : null;
  const last = { text: stream.last_price, time };
  const { text, time: at } = known?.time && known.time >= (time ?? 0) ? known : last;
  return { base: base_asset, quote: quote_asset, step: rules.price_step, stream, text, time: at };
}
