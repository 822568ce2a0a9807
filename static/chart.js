// The candle chart: draws what it is given. Times are seconds, prices numbers.

/** @import { IPriceLine, Time, UTCTimestamp } from "lightweight-charts" */
/** @import { Candles, DrawnCandle, Periods } from "./candles.js" */
/** @import { Side } from "./messages.js" */

import { averages } from "./candles.js";
import { create } from "./dom.js";
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

/** @typedef {{time: UTCTimestamp, side: Side, text: string}} Mark */
/** @typedef {{price: number, title: string}} Stop */

const STILL = { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };

/** The colours of the page's theme. */
function themeColors() {
  const style = getComputedStyle(document.documentElement);
  /** @param {string} name */
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    up: color("up"),
    down: color("down"),
    upFaint: color("up-faint"),
    downFaint: color("down-faint"),
    sma: color("sma"),
    ema: color("ema"),
    ink: color("ink"),
    muted: color("muted"),
    grid: color("grid"),
    stop: color("stop"),
  };
}

/** @param {HTMLElement} element */
function emptyChart(element) {
  return createChart(element, {
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
}

export class Chart {
  places = 2;
  /** @type {Periods} */
  periods = { sma: 10, ema: 5 };
  /** @type {Candles | null} */
  series = null;
  lines = averages([], this.periods);
  /** @type {Mark[]} */
  marked = [];
  /** @type {Stop[]} */
  stopped = [];
  /** @type {IPriceLine[]} */
  stops = [];
  /** @type {Time | null} */
  hovered = null;
  colors = themeColors();

  /**
   * @param {HTMLElement} element
   * @param {HTMLElement} legend follows the cursor in words
   */
  constructor(element, legend) {
    this.element = element;
    this.legend = legend;
    this.chart = emptyChart(element);
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
    this.chart.subscribeCrosshairMove(({ time }) => {
      this.hovered = time ?? null;
      this.describe();
    });
    this.paint();
  }

  /** Take the colours of the page's theme. */
  paint() {
    this.colors = themeColors();
    const { up, down, ink, muted, grid } = this.colors;
    this.chart.applyOptions({
      layout: { background: { color: "transparent" }, textColor: muted },
      grid: { vertLines: { color: grid }, horzLines: { color: grid } },
      crosshair: {
        vertLine: { color: muted, labelBackgroundColor: ink },
        horzLine: { color: muted, labelBackgroundColor: ink },
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
    this.mark(this.marked);
    this.drawStops(this.stopped);
  }

  /** @param {{places: number, step: number, periods: Periods}} scale */
  scale({ places, step, periods }) {
    this.places = places;
    this.periods = periods;
    for (const series of [this.candles, this.sma, this.ema]) {
      series.applyOptions({
        priceFormat: {
          type: "custom",
          minMove: step,
          formatter: (/** @type {number} */ value) => price(value.toFixed(places)),
        },
      });
    }
  }

  /**
   * Draw a whole series; the view jumps to its end unless told to keep its place.
   *
   * @param {Candles} series
   */
  show(series, { keepPlace = false } = {}) {
    this.series = series;
    const timeScale = this.chart.timeScale();
    const range = keepPlace ? timeScale.getVisibleLogicalRange() : null;
    timeScale.applyOptions({ secondsVisible: series.step < 60 });
    this.candles.setData(series.list);
    this.volume.setData(series.list.map((candle) => this.bar(candle)));
    this.lines = averages(series.list, this.periods);
    this.sma.setData(this.lines.sma);
    this.ema.setData(this.lines.ema);
    if (range) timeScale.setVisibleLogicalRange(range);
    else this.showEnd(series.list.length);
    this.describe();
  }

  /** @param {number} length */
  showEnd(length) {
    const bars = Math.max(40, Math.floor(this.element.clientWidth / 9));
    this.chart.timeScale().setVisibleLogicalRange({ from: length - bars, to: length + 4 });
  }

  /** Redraw the newest candle alone. */
  showLast() {
    const last = this.series?.last;
    if (!this.series || !last) return;
    this.candles.update(last);
    this.volume.update(this.bar(last));
    const longest = Math.max(this.periods.sma, this.periods.ema * 10) + 1;
    const recent = averages(this.series.list.slice(-longest), this.periods);
    this.extend("sma", recent);
    this.extend("ema", recent);
    this.describe();
  }

  /**
   * @param {"sma" | "ema"} name
   * @param {ReturnType<typeof averages>} recent
   */
  extend(name, recent) {
    const point = recent[name].at(-1);
    if (!point) return;
    if (this.lines[name].at(-1)?.time === point.time) this.lines[name].pop();
    this.lines[name].push(point);
    this[name].update(point);
  }

  /** @param {DrawnCandle} candle */
  bar({ time, volume, open, close }) {
    return { time, value: volume, color: this.colors[close >= open ? "upFaint" : "downFaint"] };
  }

  /** @param {Mark[]} marks the signals, oldest first */
  mark(marks) {
    this.marked = marks;
    this.markers.setMarkers(
      marks.map(({ time, side, text }) => ({
        time,
        text,
        position: side === "BUY" ? "belowBar" : "aboveBar",
        shape: side === "BUY" ? "arrowUp" : "arrowDown",
        color: side === "BUY" ? this.colors.up : this.colors.down,
      })),
    );
  }

  /** @param {Stop[]} stops */
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
    /** @param {number | undefined} value */
    const shown = (value) => (value === undefined ? "–" : price(value.toFixed(this.places)));
    /** @param {"sma" | "ema"} name */
    const at = (name) => shown(this.lines[name].find(({ time }) => time === candle.time)?.value);
    return this.legend.replaceChildren(
      part("", "O", shown(candle.open)),
      part("", "H", shown(candle.high)),
      part("", "L", shown(candle.low)),
      part(candle.close >= candle.open ? "up" : "down", "C", shown(candle.close)),
      part("wide", "V", compact(candle.volume)),
      part("sma", `SMA ${this.periods.sma}`, at("sma")),
      part("ema", `EMA ${this.periods.ema}`, at("ema")),
    );
  }
}

/**
 * @param {string} className
 * @param {string} name
 * @param {string} value
 */
function part(className, name, value) {
  return create("span", { className }, create("b", {}, name), ` ${value}`);
}
