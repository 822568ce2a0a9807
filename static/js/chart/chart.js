// The candle chart: candles, volumes, moving averages, signals and stop prices.

/** @import { IPriceLine, Time, UTCTimestamp } from "lightweight-charts" */
/** @import { Averages, Periods } from "./averages.js" */
/** @import { CandleSeries, ChartCandle } from "./series.js" */
/** @import { Side } from "../messages.js" */

import {
  CandlestickSeries,
  CrosshairMode,
  createChart,
  createSeriesMarkers,
  HistogramSeries,
  LineSeries,
  LineStyle,
} from "../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { formatDecimal } from "../format.js";
import { movingAverages } from "./averages.js";
import { showLegend } from "./legend.js";

/** @typedef {{time: UTCTimestamp, side: Side, text: string}} SignalMarker */
/** @typedef {{price: number, title: string}} StopLine */

const UNLABELLED = {
  lastValueVisible: false,
  priceLineVisible: false,
  crosshairMarkerVisible: false,
};

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
      attributionLogo: false, // it stands in the page's footer
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
  precision = 2;
  /** @type {Periods} */
  periods = { sma: 10, ema: 5 };
  /** @type {CandleSeries | null} */
  series = null;
  /** @type {Averages} */
  averages = { sma: [], ema: [] };
  /** @type {SignalMarker[]} */
  signals = [];
  /** @type {StopLine[]} */
  stops = [];
  /** @type {IPriceLine[]} the stops as drawn */
  priceLines = [];
  /** @type {Time | null} */
  hoveredTime = null;
  colors = themeColors();

  /**
   * @param {HTMLElement} element
   * @param {HTMLElement} legend
   */
  constructor(element, legend) {
    this.element = element;
    this.legend = legend;
    this.chart = emptyChart(element);
    this.volume = this.chart.addSeries(HistogramSeries, {
      ...UNLABELLED,
      priceScaleId: "",
      priceFormat: { type: "volume" },
    });
    this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.sma = this.chart.addSeries(LineSeries, { ...UNLABELLED, lineWidth: 2 });
    this.ema = this.chart.addSeries(LineSeries, { ...UNLABELLED, lineWidth: 2 });
    this.markers = createSeriesMarkers(this.candles, []);
    this.chart.subscribeCrosshairMove(({ time }) => {
      this.hoveredTime = time ?? null;
      this.updateLegend();
    });
    this.applyTheme();
  }

  /** Take over the colours of the page's theme, after it has changed. */
  applyTheme() {
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
    if (this.series) this.setSeries(this.series, { keepRange: true });
    this.setSignals(this.signals);
    this.setStops(this.stops);
  }

  /**
   * How prices are written, in steps of `priceStep`, and which averages are drawn. Takes effect
   * with the next `setSeries`.
   *
   * @param {{precision: number, priceStep: number, periods: Periods}} options
   */
  configure({ precision, priceStep, periods }) {
    this.precision = precision;
    this.periods = periods;
    for (const series of [this.candles, this.sma, this.ema]) {
      series.applyOptions({
        priceFormat: {
          type: "custom",
          minMove: priceStep,
          formatter: (/** @type {number} */ price) => formatDecimal(price.toFixed(precision)),
        },
      });
    }
  }

  /**
   * Draw a whole series; the view jumps to its end unless told to keep its range.
   *
   * @param {CandleSeries} series
   */
  setSeries(series, { keepRange = false } = {}) {
    this.series = series;
    const timeScale = this.chart.timeScale();
    const range = keepRange ? timeScale.getVisibleLogicalRange() : null;
    timeScale.applyOptions({ secondsVisible: series.intervalSeconds < 60 });
    this.candles.setData(series.candles);
    this.volume.setData(series.candles.map((candle) => this.volumeBar(candle)));
    this.averages = movingAverages(series.candles, this.periods);
    this.sma.setData(this.averages.sma);
    this.ema.setData(this.averages.ema);
    if (range) timeScale.setVisibleLogicalRange(range);
    else this.scrollToEnd(series.candles.length);
    this.updateLegend();
  }

  /** @param {number} length */
  scrollToEnd(length) {
    const visible = Math.max(40, Math.floor(this.element.clientWidth / 9));
    this.chart.timeScale().setVisibleLogicalRange({ from: length - visible, to: length + 4 });
  }

  /** Redraw the series' last candle alone. */
  updateLast() {
    const last = this.series?.last;
    if (!this.series || !last) return;
    this.candles.update(last);
    this.volume.update(this.volumeBar(last));
    const needed = Math.max(this.periods.sma, this.periods.ema * 10) + 1;
    const recent = movingAverages(this.series.candles.slice(-needed), this.periods);
    this.updateAverage("sma", recent);
    this.updateAverage("ema", recent);
    this.updateLegend();
  }

  /**
   * @param {"sma" | "ema"} name
   * @param {Averages} recent
   */
  updateAverage(name, recent) {
    const point = recent[name].at(-1);
    if (!point) return;
    const drawn = this.averages[name];
    if (drawn.at(-1)?.time === point.time) drawn.pop();
    drawn.push(point);
    this[name].update(point);
  }

  /** @param {ChartCandle} candle */
  volumeBar({ time, volume, open, close }) {
    return { time, value: volume, color: this.colors[close >= open ? "upFaint" : "downFaint"] };
  }

  /** @param {SignalMarker[]} signals oldest first */
  setSignals(signals) {
    this.signals = signals;
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

  /** @param {StopLine[]} stops */
  setStops(stops) {
    this.stops = stops;
    for (const line of this.priceLines) this.candles.removePriceLine(line);
    this.priceLines = stops.map((stop) =>
      this.candles.createPriceLine({
        ...stop,
        color: this.colors.stop,
        lineWidth: 1,
        lineStyle: LineStyle.Dashed,
        axisLabelVisible: true,
      }),
    );
  }

  updateLegend() {
    const candles = this.series?.candles ?? [];
    const candle = candles.find(({ time }) => time === this.hoveredTime) ?? candles.at(-1);
    /** @param {"sma" | "ema"} name */
    const average = (name) => this.averages[name].find(({ time }) => time === candle?.time)?.value;
    const averages = { sma: average("sma"), ema: average("ema") };
    const { periods, precision } = this;
    showLegend(this.legend, { candle, averages, periods, precision });
  }
}
