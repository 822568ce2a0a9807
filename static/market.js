// What the page knows of each symbol: how its prices are written, and the last one.

import { placesOf } from "./format.js";

export class Market {
  constructor() {
    this.symbols = new Map();
  }

  /** Take the answer of `/symbols`; prices that came over the socket since are newer. */
  load(list) {
    const before = this.symbols;
    this.symbols = new Map(
      list.map(({ symbol, base_asset: base, quote_asset: quote, rules, stream }) => {
        const known = before.get(symbol);
        const time = stream.last_tick_time ? Date.parse(stream.last_tick_time) : null;
        const newer = known?.time && known.time >= (time ?? 0);
        const last = newer ? known : { text: stream.last_price, time };
        return [
          symbol,
          { symbol, base, quote, stream, step: rules.price_step, text: last.text, time: last.time },
        ];
      }),
    );
  }

  /** A forming candle's last tick; false where it is not newer, or the symbol is not followed. */
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

  /** Who writes its candles, and the like, as `/symbols` told last. */
  stream(symbol) {
    return this.symbols.get(symbol)?.stream;
  }

  step(symbol) {
    const step = Number(this.symbols.get(symbol)?.step);
    return step > 0 ? step : 0.01;
  }

  places(symbol) {
    return placesOf(this.symbols.get(symbol)?.step ?? "0.01");
  }

  lastText(symbol) {
    return this.symbols.get(symbol)?.text ?? null;
  }

  lastPrice(symbol) {
    const text = this.lastText(symbol);
    return text === null ? undefined : Number(text);
  }

  /** Seconds since the last tick, by the exchange's time; null before the first one. */
  age(symbol, now = Date.now()) {
    const time = this.symbols.get(symbol)?.time ?? null;
    return time === null ? null : Math.max(0, (now - time) / 1000);
  }
}
