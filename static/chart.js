// The candle chart: draws what it is given. Times are seconds, prices numbers.

import { averages } from "./candles.js";
import { compact, price } from "./format.js";
import {
  CandlestickSeries,
  CrosshairMode,
  createChart,
  createSeriesMarkers,
  HistogramSeries,
  LineSeries,
  LineStyle,
} from "./vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";

const STILL = { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };

export class Chart {
  /** `legend` is an element that follows the cursor in words. */
  constructor(element, legend) {
    this.element = element;
    this.legend = legend;
    this.places = 2;
    this.periods = { sma: 10, ema: 5 };
    this.chart = createChart(element, {
      autoSize: true,
      layout: {
        attributionLogo: false,
        fontFamily: getComputedStyle(element).fontFamily,
        fontSize: 12,
      },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.14, bottom: 0.24 } },
      timeScale: { borderVisible: false, timeVisible: true, rightOffset: 4, barSpacing: 8 },
      localization: { locale: "en" },
    });
    this.volume = this.chart.addSeries(HistogramSeries, {
      ...STILL,
      priceScaleId: "",
      priceFormat: { type: "volume" },
    });
    this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.sma = this.chart.addSeries(LineSeries, { ...STILL, lineWidth: 2 });
    this.ema = this.chart.addSeries(LineSeries, { ...STILL, lineWidth: 2 });
    this.markers = createSeriesMarkers(this.candles, []);
    this.stops = [];
    this.hovered = null;
    this.chart.subscribeCrosshairMove(({ time }) => {
      this.hovered = time ?? null;
      this.describe();
    });
    this.paint();
  }

  /** Take the colours of the page's theme. */
  paint() {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(`--${name}`).trim();
    this.colors = Object.fromEntries(
      ["up", "down", "sma", "ema", "ink", "muted", "grid", "stop", "up-faint", "down-faint"].map(
        (name) => [name, color(name)],
      ),
    );
    const { up, down, muted, grid } = this.colors;
    this.chart.applyOptions({
      layout: { background: { color: "transparent" }, textColor: muted },
      grid: { vertLines: { color: grid }, horzLines: { color: grid } },
      crosshair: {
        vertLine: { color: muted, labelBackgroundColor: this.colors.ink },
        horzLine: { color: muted, labelBackgroundColor: this.colors.ink },
      },
    });
    this.candles.applyOptions({
      upColor: up,
      downColor: down,
      wickUpColor: up,
      wickDownColor: down,
      priceLineColor: muted, // red is for stops
    });
    this.sma.applyOptions({ color: this.colors.sma });
    this.ema.applyOptions({ color: this.colors.ema });
    if (this.series) this.show(this.series, { keepPlace: true });
    this.mark(this.marked ?? []);
    this.drawStops(this.stopped ?? []);
  }

  scale({ places, step, periods }) {
    this.places = places;
    this.periods = periods;
    const priceFormat = {
      type: "custom",
      minMove: step,
      formatter: (value) => price(value.toFixed(places)),
    };
    for (const series of [this.candles, this.sma, this.ema]) series.applyOptions({ priceFormat });
  }

  /** Draw a whole series; the view jumps to its end unless told to keep its place. */
  show(series, { keepPlace = false } = {}) {
    this.series = series;
    const timeScale = this.chart.timeScale();
    const range = keepPlace ? timeScale.getVisibleLogicalRange() : null;
    timeScale.applyOptions({ secondsVisible: series.step < 60 });
    this.candles.setData(series.list);
    this.volume.setData(series.list.map((candle) => this.bar(candle)));
    this.lines = averages(series.list, this.periods.sma, this.periods.ema);
    this.sma.setData(this.lines.sma);
    this.ema.setData(this.lines.ema);
    if (range) timeScale.setVisibleLogicalRange(range);
    else this.showEnd();
    this.describe();
  }

  showEnd() {
    const { length } = this.series.list;
    const bars = Math.max(40, Math.floor(this.element.clientWidth / 9));
    this.chart.timeScale().setVisibleLogicalRange({ from: length - bars, to: length + 4 });
  }

  /** Redraw the newest candle alone. */
  showLast() {
    const { list, last } = this.series;
    this.candles.update(last);
    this.volume.update(this.bar(last));
    const longest = Math.max(this.periods.sma, this.periods.ema * 10) + 1;
    const recent = averages(list.slice(-longest), this.periods.sma, this.periods.ema);
    for (const name of ["sma", "ema"]) {
      const point = recent[name].at(-1);
      if (!point) continue;
      if (this.lines[name].at(-1)?.time === point.time) this.lines[name].pop();
      this.lines[name].push(point);
      this[name].update(point);
    }
    this.describe();
  }

  bar({ time, volume, open, close }) {
    return {
      time,
      value: volume,
      color: close >= open ? this.colors["up-faint"] : this.colors["down-faint"],
    };
  }

  /** Signals as `{time, side, text}`, oldest first. */
  mark(signals) {
    this.marked = signals;
    this.markers.setMarkers(
      signals.map(({ time, side, text }) => ({
        time,
        text,
        position: side === "BUY" ? "belowBar" : "aboveBar",
        shape: side === "BUY" ? "arrowUp" : "arrowDown",
        color: side === "BUY" ? this.colors.up : this.colors.down,
      })),
    );
  }

  /** Stop prices as `{price, title}`. */
  drawStops(stops) {
    this.stopped = stops;
    for (const line of this.stops) this.candles.removePriceLine(line);
    this.stops = stops.map((stop) =>
      this.candles.createPriceLine({
        ...stop,
        color: this.colors.stop,
        lineWidth: 1,
        lineStyle: LineStyle.Dashed,
        axisLabelVisible: true,
      }),
    );
  }

  describe() {
    const list = this.series?.list ?? [];
    const candle = list.find(({ time }) => time === this.hovered) ?? list.at(-1);
    if (!candle) return this.legend.replaceChildren();
    const shown = (value) => (value === undefined ? "–" : price(value.toFixed(this.places)));
    const at = (name) => this.lines[name].find(({ time }) => time === candle.time)?.value;
    const parts = [
      ["", "O", shown(candle.open)],
      ["", "H", shown(candle.high)],
      ["", "L", shown(candle.low)],
      [candle.close >= candle.open ? "up" : "down", "C", shown(candle.close)],
      ["wide", "V", compact(candle.volume)],
      ["sma", `SMA ${this.periods.sma}`, shown(at("sma"))],
      ["ema", `EMA ${this.periods.ema}`, shown(at("ema"))],
    ];
    this.legend.replaceChildren(
      ...parts.map(([kind, name, value]) => {
        const item = document.createElement("span");
        item.className = kind;
        item.append(Object.assign(document.createElement("b"), { textContent: name }), ` ${value}`);
        return item;
      }),
    );
  }
}
