// Followed symbols: assets, price step, last tick.

/** @import { Followed, FormingCandle, Stream } from "./messages.js" */

import { precisionOf } from "./format.js";

/**
 * `lastPrice` and `lastTickMs` are null before the first tick.
 *
 * @typedef {object} MarketSymbol
 * @property {string} base
 * @property {string} quote
 * @property {string} priceStep
 * @property {Stream} stream as `/symbols` said last
 * @property {string | null} lastPrice
 * @property {number | null} lastTickMs by the exchange's time
 */

export class Market {
  /** @type {Map<string, MarketSymbol>} */
  symbols = new Map();

  /**
   * Replace all symbols by the answer of `/symbols`. Prices that came over the socket since are
   * newer and stay.
   *
   * @param {Followed[]} followed
   */
  setSymbols(followed) {
    const before = this.symbols;
    this.symbols = new Map(
      followed.map((one) => [one.symbol, marketSymbol(one, before.get(one.symbol))]),
    );
  }

  /**
   * Take the last tick of a forming candle; false where it is not newer, or the symbol is not
   * followed.
   *
   * @param {FormingCandle} candle
   */
  applyTick({ symbol, last_price: lastPrice, time }) {
    const known = this.symbols.get(symbol);
    const lastTickMs = Date.parse(time);
    if (!known || (known.lastTickMs !== null && lastTickMs < known.lastTickMs)) return false;
    Object.assign(known, { lastPrice, lastTickMs });
    return true;
  }

  get names() {
    return [...this.symbols.keys()];
  }

  /** @param {string} symbol */
  stream(symbol) {
    return this.symbols.get(symbol)?.stream;
  }

  /**
   * The symbol's quote asset; the symbol itself where that is not followed any more.
   *
   * @param {string} symbol
   */
  quote(symbol) {
    return this.symbols.get(symbol)?.quote ?? symbol;
  }

  /** @param {string} symbol */
  priceStep(symbol) {
    const step = Number(this.symbols.get(symbol)?.priceStep);
    return step > 0 ? step : 0.01;
  }

  /**
   * Decimal places of the symbol's prices.
   *
   * @param {string} symbol
   */
  precision(symbol) {
    return precisionOf(this.symbols.get(symbol)?.priceStep ?? "0.01");
  }

  /**
   * Decimal text as the API sent it.
   *
   * @param {string} symbol
   */
  lastPriceText(symbol) {
    return this.symbols.get(symbol)?.lastPrice ?? null;
  }

  /** @param {string} symbol */
  lastPrice(symbol) {
    const text = this.lastPriceText(symbol);
    return text === null ? null : Number(text);
  }

  /**
   * Seconds since the last tick, by the exchange's time; null before the first one.
   *
   * @param {string} symbol
   */
  tickAge(symbol, now = Date.now()) {
    const time = this.symbols.get(symbol)?.lastTickMs ?? null;
    return time === null ? null : Math.max(0, (now - time) / 1000);
  }
}

/**
 * @param {Followed} followed
 * @param {MarketSymbol | undefined} known
 * @returns {MarketSymbol}
 */
function marketSymbol({ base_asset: base, quote_asset: quote, rules, stream }, known) {
  const answeredMs = stream.last_tick_time ? Date.parse(stream.last_tick_time) : null;
  const newer = known?.lastTickMs && known.lastTickMs >= (answeredMs ?? 0) ? known : null;
  return {
    base,
    quote,
    priceStep: rules.price_step,
    stream,
    lastPrice: newer ? newer.lastPrice : stream.last_price,
    lastTickMs: newer ? newer.lastTickMs : answeredMs,
  };
}
