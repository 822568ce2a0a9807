// One series of candles as the page knows it, and the averages drawn over them.

const SPANS = { s: 1, m: 60, h: 3600, d: 86_400 };

export function seconds(interval) {
  return Number.parseInt(interval, 10) * SPANS[interval.at(-1)];
}

/** A candle of the API in numbers, for drawing. */
function drawn(candle) {
  return {
    time: Date.parse(candle.open_time) / 1000,
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
  constructor(interval, candles) {
    this.step = seconds(interval);
    this.list = candles.map(drawn);
  }

  get last() {
    return this.list.at(-1);
  }

  /** Put a candle in by its open time: "changed", "old" where it is outdated, or "gap". */
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

  replace(candle) {
    const at = this.list.findIndex((each) => each.time === candle.time);
    if (at < 0 || (this.list[at].closed && !candle.closed)) return "old";
    this.list[at] = candle;
    return "earlier";
  }

  /** A tick of another interval's message: it moves the open candle, but tells no volume. */
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

/** Both averages at every candle, oldest first; points exist once there are enough candles. */
export function averages(list, smaPeriod, emaPeriod) {
  const sma = [];
  const ema = [];
  const weight = 2 / (emaPeriod + 1);
  let sum = 0;
  let emaSum = 0;
  let value = null;
  list.forEach(({ time, close }, at) => {
    sum += close - (at >= smaPeriod ? list[at - smaPeriod].close : 0);
    if (at >= smaPeriod - 1) sma.push({ time, value: sum / smaPeriod });
    emaSum += close;
    if (at === emaPeriod - 1) value = emaSum / emaPeriod;
    else if (at >= emaPeriod) value += weight * (close - value);
    if (value !== null) ema.push({ time, value });
  });
  return { sma, ema };
}
