// The page: asks the API how things stand, then follows the socket, and asks again after a gap.

/** @import { Candle, FormingCandle, RecordType, Message, Records, Strategy } from "./messages.js" */
/** @import { SignalMarker } from "./chart/chart.js" */

import { getCandles, getRecords, getStrategies, getSymbols } from "./api.js";
import { Chart } from "./chart/chart.js";
import { CandleSeries, timestamp } from "./chart/series.js";
import { create, find, findIn } from "./dom.js";
import { FeedStatus } from "./feed.js";
import { formatAge, formatDecimal, formatPercent, formatPnl } from "./format.js";
import { HaltControl } from "./halt.js";
import { Market } from "./market.js";
import { LiveSocket } from "./socket.js";
import { StatusBar } from "./status.js";
import { RECORD_TYPES, RecordStore } from "./store.js";
import {
  createOrdersTable,
  createPositionsTable,
  createSignalsTable,
  createTradesTable,
  unrealisedPnl,
} from "./tables.js";

const MAX_ROWS = 30;
const MIN_RELOAD_INTERVAL_MS = 2000;
const intervals = (document.body.dataset.intervals ?? "").split(",");
const market = new Market();
const store = new RecordStore();
const tables = {
  positions: createPositionsTable(market),
  orders: createOrdersTable(market),
  signals: createSignalsTable(market),
  trades: createTradesTable(market),
};
const statusBar = new StatusBar();
const chart = new Chart(find("chart", HTMLElement), find("legend", HTMLElement));
const feedStatus = new FeedStatus(find("feed", HTMLElement));
const haltControl = new HaltControl({
  staff: document.body.dataset.staff === "true",
  onChange: (level) => statusBar.setStatus({ ...statusBar.status, halt: level }),
});

/** @typedef {{symbol: string, interval: string, strategy: string}} Selection "" where there is none */
/** @type {Selection} */
const selection = {
  symbol: localStorage.getItem("symbol") ?? "",
  interval: localStorage.getItem("interval") ?? "",
  strategy: localStorage.getItem("strategy") ?? "",
};
if (!intervals.includes(selection.interval)) selection.interval = intervals[0] ?? "";

/** @type {Strategy[]} */
let strategies = [];
/** @type {CandleSeries | null} */
let series = null;
let seriesShown = "";
/** @type {Message[] | null} those that came since the API was last asked and has not answered */
let loading = null;
let loads = 0;
let reloadIsDue = false;
/** @type {Set<"prices" | "records" | "series" | "last">} */
const dirty = new Set();

// --- From the API ---------------------------------------------------------------------------

/** Ask for everything anew. Messages that arrive meanwhile are applied again on top. */
async function reload({ keepRange = true } = {}) {
  loads += 1;
  const mine = loads;
  loading = [];
  try {
    const [known, decided] = await Promise.all([
      getSymbols(),
      getStrategies(),
      haltControl.reload(),
    ]);
    if (mine !== loads) return;
    market.setSymbols(known.symbols);
    ({ strategies } = decided);
    ensureSelectionExists();
    const [candles, records] = await Promise.all([fetchCandles(), fetchAllRecords()]);
    if (mine !== loads) return;
    for (const load of records) load();
    showSeries(candles, keepRange);
    const missed = loading;
    loading = null;
    for (const message of missed) apply(message);
    showAll();
  } catch (error) {
    if (mine !== loads) return;
    console.warn("not loaded:", error);
    reloadSoon(5000);
  }
}

/** @returns {Promise<Candle[]>} */
async function fetchCandles() {
  if (!selection.symbol) return [];
  return (await getCandles(selection.symbol, selection.interval)).candles;
}

function fetchAllRecords() {
  return Promise.all(RECORD_TYPES.map(fetchRecords));
}

/**
 * @template {RecordType} T
 * @param {T} type
 */
async function fetchRecords(type) {
  const { results } = await getRecords(type);
  return () => store.replaceAll(type, results);
}

function reloadSoon(wait = MIN_RELOAD_INTERVAL_MS) {
  if (reloadIsDue) return;
  reloadIsDue = true;
  setTimeout(() => {
    reloadIsDue = false;
    reload();
  }, wait);
}

function ensureSelectionExists() {
  if (!market.symbols.has(selection.symbol)) selection.symbol = market.names[0] ?? "";
  if (!strategies.some(({ name }) => name === selection.strategy)) {
    selection.strategy = strategies[0]?.name ?? "";
  }
}

// --- From the socket ------------------------------------------------------------------------

/** @param {Message} message */
function receive(message) {
  loading?.push(message);
  apply(message);
}

/** @param {Message} message */
function apply(message) {
  switch (message.type) {
    case "snapshot":
      statusBar.setStatus(message.data.status);
      for (const candle of message.data.forming) applyForming(candle);
      break;
    case "status":
      if (message.data.halt !== statusBar.status.halt)
        haltControl.reload().catch(() => reloadSoon());
      statusBar.setStatus(message.data);
      break;
    case "forming":
      applyForming(message.data);
      break;
    case "candle":
      updateSeries(message.data);
      break;
    case "order":
      store.upsertOrder(message.data);
      dirty.add("records");
      break;
    case "position":
      applyRecord("position", message.data);
      break;
    case "signal":
      applyRecord("signal", message.data);
      break;
    case "trade":
      applyRecord("trade", message.data);
      break;
  }
}

/**
 * @template {RecordType} T
 * @param {T} type
 * @param {Records[T]} row
 */
function applyRecord(type, row) {
  store.upsert(type, row);
  dirty.add("records");
}

/** @param {FormingCandle} candle */
function applyForming(candle) {
  if (market.applyTick(candle)) dirty.add("prices");
  updateSeries(candle);
}

/**
 * Bring one candle into the chart, if it is one of those shown.
 *
 * @param {Candle | FormingCandle} candle
 */
function updateSeries(candle) {
  if (!series || candle.symbol !== selection.symbol) return;
  const result = applyCandle(series, candle);
  if (result === "gap") reloadSoon();
  else if (result !== "none") dirty.add(result === "earlier" ? "series" : "last");
}

/**
 * @param {CandleSeries} shown
 * @param {Candle | FormingCandle} candle
 */
function applyCandle(shown, candle) {
  if (candle.interval === selection.interval) return shown.upsert(candle);
  if ("last_price" in candle)
    return shown.applyTick(Number(candle.last_price), timestamp(candle.time));
  reloadSoon(5000); // for the volume of the longer interval
  return "none";
}

// --- On the screen --------------------------------------------------------------------------

/**
 * @param {Candle[]} candles
 * @param {boolean} keepRange
 */
function showSeries(candles, keepRange) {
  const name = `${selection.symbol} ${selection.interval}`;
  const same = seriesShown === name;
  seriesShown = name;
  series = new CandleSeries(selection.interval, candles);
  const strategy = strategies.find((each) => each.name === selection.strategy);
  chart.configure({
    precision: market.precision(selection.symbol),
    priceStep: market.priceStep(selection.symbol),
    periods: { sma: strategy?.sma_period ?? 10, ema: strategy?.ema_period ?? 5 },
  });
  chart.setSeries(series, { keepRange: keepRange && same });
  find("chart-empty", HTMLElement).hidden = candles.length > 0;
  const label = `${name} candles with SMA, EMA, signals and stop prices`;
  find("chart", HTMLElement).setAttribute("aria-label", label);
}

function showAll() {
  showSelection();
  showRecords();
  showPrices();
}

/**
 * @param {Element} element
 * @param {boolean} on
 */
function setPressed(element, on) {
  element.setAttribute("aria-pressed", String(on));
}

/**
 * @param {string} text
 * @param {boolean} on
 * @param {() => void} onClick
 */
function createButton(text, on, onClick) {
  const element = create("button", {}, text);
  element.type = "button";
  setPressed(element, on);
  element.addEventListener("click", onClick);
  return element;
}

function symbolButtons() {
  const buttons = find("symbols", HTMLElement).querySelectorAll("button");
  return [...buttons].map((element) => ({ element, symbol: element.dataset.symbol ?? "" }));
}

function showSelection() {
  const symbols = find("symbols", HTMLElement);
  if (symbols.dataset.names !== market.names.join()) {
    symbols.dataset.names = market.names.join();
    symbols.replaceChildren(...market.names.map(createSymbolButton));
  }
  for (const { element, symbol } of symbolButtons())
    setPressed(element, symbol === selection.symbol);
  showIntervals();
  const strategySelect = find("strategy", HTMLSelectElement);
  strategySelect.replaceChildren(
    ...strategies.map(
      ({ name, sma_period: sma, ema_period: ema }) =>
        new Option(`${name} · SMA ${sma}, EMA ${ema}`, name),
    ),
  );
  strategySelect.value = selection.strategy;
  const title = selection.symbol
    ? `${selection.symbol} ${selection.interval}`
    : "No symbols followed";
  find("chart-title", HTMLElement).textContent = title;
}

function showIntervals() {
  const element = find("intervals", HTMLElement);
  element.hidden = intervals.length === 1;
  element.replaceChildren(
    ...intervals.map((interval) =>
      createButton(interval, interval === selection.interval, () => select({ interval })),
    ),
  );
}

/** @param {string} symbol */
function createSymbolButton(symbol) {
  const element = createButton("", false, () => select({ symbol }));
  element.dataset.symbol = symbol;
  const known = market.symbols.get(symbol);
  element.append(
    create("b", {}, known?.base ?? "", create("small", {}, `/${known?.quote}`)),
    create("span", { className: "price num" }),
  );
  return element;
}

/** @param {Partial<Selection>} change */
function select(change) {
  Object.assign(selection, change);
  for (const [name, value] of Object.entries(change)) localStorage.setItem(name, value);
  series = null;
  showSelection();
  showPrices();
  reload({ keepRange: "strategy" in change });
}

function showPrices() {
  for (const { element, symbol } of symbolButtons()) {
    findIn(element, ".price").textContent = lastPriceOf(symbol);
  }
  const last = lastPriceOf(selection.symbol);
  find("last-price", HTMLElement).textContent = last;
  document.title = selection.symbol ? `${last} ${selection.symbol}` : "Trading";
  showPositions();
  showAge();
}

/** @param {string} symbol */
function lastPriceOf(symbol) {
  return formatDecimal(market.lastPriceText(symbol), market.precision(symbol));
}

function showPositions() {
  const { openPositions: open } = store;
  tables.positions.setRows(open);
  const gains = open.map((row) => unrealisedPnl(row, market.lastPrice(row.symbol)));
  const total = gains.reduce((/** @type {number} */ sum, gain) => sum + (gain ?? 0), 0);
  const cost = open.reduce((sum, row) => sum + Number(row.cost), 0);
  const element = find("positions-total", HTMLElement);
  element.textContent = open.length ? `${formatPnl(total)} (${formatPercent(total / cost)})` : "";
  element.classList.toggle("up", total > 0);
  element.classList.toggle("down", total < 0);
}

function showAge() {
  const tickAge = market.tickAge(selection.symbol);
  find("last-age", HTMLElement).textContent = tickAge === null ? "no tick yet" : formatAge(tickAge);
  feedStatus.show({
    symbol: selection.symbol,
    status: statusBar.status,
    connection: statusBar.connection,
    tickAge,
    candles: series?.candles ?? [],
    stream: market.stream(selection.symbol),
  });
}

function showRecords() {
  tables.orders.setRows(store.openOrders);
  tables.signals.setRows(store.newestFirst("signal").slice(0, MAX_ROWS));
  tables.trades.setRows(store.newestFirst("trade").slice(0, MAX_ROWS));
  showPositions();
  chart.setStops(stopLines());
  chart.setSignals(signalMarkers());
}

/** The shown symbol's stop prices. */
function stopLines() {
  const precision = market.precision(selection.symbol);
  return store.openPositions
    .filter((row) => row.symbol === selection.symbol && row.stop_price !== null)
    .map((row) => ({
      price: Number(Number(row.stop_price).toFixed(precision)),
      title: `Stop ${row.strategy}`,
    }));
}

/**
 * The shown symbol's signals as marks; those of one candle and side share an arrow.
 *
 * @returns {SignalMarker[]}
 */
function signalMarkers() {
  if (!series) return [];
  const first = series.candles[0]?.time ?? Number.POSITIVE_INFINITY;
  /** @type {Map<string, Omit<SignalMarker, "text"> & {names: Set<string>}>} */
  const found = new Map();
  for (const signal of store
    .newestFirst("signal")
    .filter(({ symbol }) => symbol === selection.symbol)) {
    const time = series.openTime(timestamp(signal.candle_open_time ?? signal.created_at));
    if (time < first) continue;
    const key = `${time} ${signal.side}`;
    const names = found.get(key)?.names ?? new Set();
    found.set(key, { time, side: signal.side, names: names.add(signal.strategy) });
  }
  return [...found.values()]
    .sort((a, b) => a.time - b.time)
    .map(({ time, side, names }) => ({ time, side, text: [...names].sort(byName).join(" ") }));
}

/**
 * @param {string} a
 * @param {string} b
 */
function byName(a, b) {
  return a.localeCompare(b);
}

function showChanges() {
  if (dirty.has("series") && series) chart.setSeries(series, { keepRange: true });
  else if (dirty.has("last") && series) chart.updateLast();
  if (dirty.has("records")) showRecords();
  if (dirty.has("prices")) showPrices();
  dirty.clear();
  requestAnimationFrame(showChanges);
}

function changeTheme() {
  const { dataset } = document.documentElement;
  const next = dataset.theme === "dark" ? "light" : "dark";
  dataset.theme = next;
  localStorage.setItem("theme", next);
  chart.applyTheme();
}

find("theme", HTMLElement).addEventListener("click", changeTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.applyTheme());
const strategySelect = find("strategy", HTMLSelectElement);
strategySelect.addEventListener("change", () => select({ strategy: strategySelect.value }));
setInterval(() => {
  showAge();
  statusBar.showFreshness();
}, 500);
requestAnimationFrame(showChanges);
const scheme = location.protocol === "https:" ? "wss" : "ws";
new LiveSocket(`${scheme}://${location.host}/ws/`, {
  onMessage: receive,
  onGap: reload,
  onConnection: (connection) => statusBar.setConnection(connection),
});
