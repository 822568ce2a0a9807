// The dashboard as it is shown: chart, prices, tables and toolbar, out of the page's state.

/** @import { CandleSeries } from "./chart/series.js" */
/** @import { Market } from "./market.js" */
/** @import { Strategy } from "./messages.js" */
/** @import { Choice, Selection } from "./selection.js" */
/** @import { StatusBar } from "./status.js" */
/** @import { RecordStore } from "./store.js" */

import { Chart } from "./chart/chart.js";
import { signalMarkers, stopLines } from "./chart/overlays.js";
import { find } from "./dom.js";
import { FeedStatus } from "./feed.js";
import { formatAge, formatDecimal } from "./format.js";
import {
  createOrdersTable,
  createPositionsTable,
  createSignalsTable,
  createTradesTable,
  showTotalPnl,
} from "./tables.js";
import { Toolbar } from "./toolbar.js";

/**
 * @typedef {object} State
 * @property {Market} market
 * @property {RecordStore} store
 * @property {Selection} selection
 * @property {Strategy[]} strategies
 * @property {CandleSeries | null} series null until the selected one is loaded
 * @property {StatusBar} statusBar
 */

const MAX_ROWS = 30;

export class View {
  chart = new Chart(find("chart", HTMLElement), find("legend", HTMLElement));
  feedStatus = new FeedStatus(find("feed", HTMLElement));
  seriesName = "";

  /**
   * @param {State} state
   * @param {string[]} intervals
   * @param {(choice: Partial<Choice>) => void} onSelect
   */
  constructor(state, intervals, onSelect) {
    this.state = state;
    this.toolbar = new Toolbar(intervals, onSelect);
    this.positions = createPositionsTable(state.market);
    this.orders = createOrdersTable(state.market);
    this.signals = createSignalsTable(state.market);
    this.trades = createTradesTable(state.market);
  }

  /**
   * All but the status, which has a part of its own.
   *
   * @param {{keepRange: boolean}} options whether the chart stays where it was scrolled to
   */
  showAll({ keepRange }) {
    this.showLoadedSeries(keepRange);
    this.showSelection();
    this.showRecords();
    this.showPrices();
  }

  /** @param {boolean} keepRange */
  showLoadedSeries(keepRange) {
    const { market, selection, series, strategies } = this.state;
    if (!series) return;
    const name = `${selection.symbol} ${selection.interval}`;
    const same = this.seriesName === name;
    this.seriesName = name;
    const strategy = strategies.find((one) => one.name === selection.strategy);
    this.chart.configure({
      precision: market.precision(selection.symbol),
      priceStep: market.priceStep(selection.symbol),
      periods: { sma: strategy?.sma_period ?? 10, ema: strategy?.ema_period ?? 5 },
    });
    this.chart.setSeries(series, { keepRange: keepRange && same });
    find("chart-empty", HTMLElement).hidden = series.candles.length > 0;
    const label = `${name} candles with SMA, EMA, signals and stop prices`;
    find("chart", HTMLElement).setAttribute("aria-label", label);
  }

  /** @param {"last" | "all"} changed */
  showCandles(changed) {
    const { series } = this.state;
    if (!series) return;
    if (changed === "last") this.chart.updateLast();
    else this.chart.setSeries(series, { keepRange: true });
  }

  showSelection() {
    const { market, selection, strategies } = this.state;
    const { symbol, interval } = selection;
    this.toolbar.show(selection, market, strategies);
    const title = symbol ? `${symbol} ${interval}` : "No symbols followed";
    find("chart-title", HTMLElement).textContent = title;
  }

  showPrices() {
    const { market, selection } = this.state;
    const { symbol } = selection;
    this.toolbar.showPrices(market);
    const price = formatDecimal(market.lastPriceText(symbol), market.precision(symbol));
    find("last-price", HTMLElement).textContent = price;
    document.title = symbol ? `${price} ${symbol}` : "Trading";
    this.showPositions();
    this.showAge();
  }

  showPositions() {
    const { market, store } = this.state;
    const positions = store.openPositions;
    this.positions.setRows(positions);
    showTotalPnl(find("positions-total", HTMLElement), positions, market);
  }

  showRecords() {
    const { market, selection, series, store } = this.state;
    const signals = store.newestFirst("signal");
    this.orders.setRows(store.openOrders);
    this.signals.setRows(signals.slice(0, MAX_ROWS));
    this.trades.setRows(store.newestFirst("trade").slice(0, MAX_ROWS));
    this.showPositions();
    /** @param {{symbol: string}} record */
    const isSelected = ({ symbol }) => symbol === selection.symbol;
    const positions = store.openPositions.filter(isSelected);
    this.chart.setStops(stopLines(positions, market.precision(selection.symbol)));
    this.chart.setSignals(series ? signalMarkers(signals.filter(isSelected), series) : []);
  }

  /** The age of the last tick, and what follows from it; to be called as time goes by. */
  showAge() {
    const { market, selection, series, statusBar } = this.state;
    const { status, connection } = statusBar;
    const { symbol } = selection;
    const tickAge = market.tickAge(symbol);
    const text = tickAge === null ? "no tick yet" : formatAge(tickAge);
    find("last-age", HTMLElement).textContent = text;
    this.feedStatus.show({
      symbol,
      status,
      connection,
      tickAge,
      candles: series?.candles ?? [],
      stream: market.stream(symbol),
    });
  }
}
