// The page: asks the API how things stand, then follows the socket, and asks again after a gap.

/** @import { Candle, FormingCandle, Kind, Message, Records, Strategy } from "./messages.js" */
/** @import { Mark } from "./chart.js" */

import { getCandles, getRecords, getStrategies, getSymbols } from "./api.js";
import { Book, KINDS } from "./book.js";
import { Candles, timestamp } from "./candles.js";
import { Chart } from "./chart.js";
import { create, find, findIn } from "./dom.js";
import { FeedLine } from "./feed.js";
import { age, percent, price, signed } from "./format.js";
import { HaltControl } from "./halt.js";
import { Live } from "./live.js";
import { Market } from "./market.js";
import { StateLine } from "./state.js";
import { ordersTable, positionsTable, signalsTable, tradesTable, unrealised } from "./tables.js";

const SHOWN_ROWS = 30;
const RELOAD_AT_MOST_EVERY_MS = 2000;
const intervals = (document.body.dataset.intervals ?? "").split(",");
const market = new Market();
const book = new Book();
const tables = {
  positions: positionsTable(market),
  orders: ordersTable(market),
  signals: signalsTable(market),
  trades: tradesTable(market),
};
const stateLine = new StateLine();
const chart = new Chart(find("chart", HTMLElement), find("legend", HTMLElement));
const feedLine = new FeedLine(find("feed", HTMLElement));
const haltControl = new HaltControl({
  staff: document.body.dataset.staff === "true",
  onChange: (level) => stateLine.told({ ...stateLine.status, halt: level }),
});

/** @typedef {{symbol: string, interval: string, strategy: string}} View "" where there is none */
/** @type {View} */
const view = {
  symbol: localStorage.getItem("symbol") ?? "",
  interval: localStorage.getItem("interval") ?? "",
  strategy: localStorage.getItem("strategy") ?? "",
};
if (!intervals.includes(view.interval)) view.interval = intervals[0] ?? "";

/** @type {Strategy[]} */
let strategies = [];
/** @type {Candles | null} */
let series = null;
let seriesShown = "";
/** @type {Message[] | null} those that came since the API was last asked and has not answered */
let loading = null;
let loads = 0;
let reloadIsDue = false;
/** @type {Set<"prices" | "book" | "series" | "last">} */
const dirty = new Set();

// --- From the API ---------------------------------------------------------------------------

/** Ask for everything anew. Messages that arrive meanwhile are applied again on top. */
async function reload({ keepPlace = true } = {}) {
  loads += 1;
  const mine = loads;
  loading = [];
  try {
    const [known, decided] = await Promise.all([getSymbols(), getStrategies(), haltControl.load()]);
    if (mine !== loads) return;
    market.load(known.symbols);
    ({ strategies } = decided);
    chooseWhatThereIs();
    const [candles, records] = await Promise.all([newestCandles(), newestRecords()]);
    if (mine !== loads) return;
    for (const load of records) load();
    showSeries(candles, keepPlace);
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
async function newestCandles() {
  if (!view.symbol) return [];
  return (await getCandles(view.symbol, view.interval)).candles;
}

function newestRecords() {
  return Promise.all(KINDS.map(newestOf));
}

/**
 * @template {Kind} K
 * @param {K} kind
 */
async function newestOf(kind) {
  const { results } = await getRecords(kind);
  return () => book.load(kind, results);
}

function reloadSoon(wait = RELOAD_AT_MOST_EVERY_MS) {
  if (reloadIsDue) return;
  reloadIsDue = true;
  setTimeout(() => {
    reloadIsDue = false;
    reload();
  }, wait);
}

function chooseWhatThereIs() {
  if (!market.symbols.has(view.symbol)) view.symbol = market.names[0] ?? "";
  if (!strategies.some(({ name }) => name === view.strategy)) {
    view.strategy = strategies[0]?.name ?? "";
  }
}

// --- From the socket ------------------------------------------------------------------------

/** @param {Message} message */
function take(message) {
  loading?.push(message);
  apply(message);
}

/** @param {Message} message */
function apply(message) {
  switch (message.type) {
    case "snapshot":
      stateLine.told(message.data.status);
      for (const candle of message.data.forming) applyForming(candle);
      break;
    case "status":
      if (message.data.halt !== stateLine.status.halt) haltControl.load().catch(() => reloadSoon());
      stateLine.told(message.data);
      break;
    case "forming":
      applyForming(message.data);
      break;
    case "candle":
      draw(message.data);
      break;
    case "order":
      book.upsertOrder(message.data);
      dirty.add("book");
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
 * @template {Kind} K
 * @param {K} kind
 * @param {Records[K]} row
 */
function applyRecord(kind, row) {
  book.upsert(kind, row);
  dirty.add("book");
}

/** @param {FormingCandle} candle */
function applyForming(candle) {
  if (market.tick(candle)) dirty.add("prices");
  draw(candle);
}

/**
 * Bring one candle into the chart, if it is one of those shown.
 *
 * @param {Candle | FormingCandle} candle
 */
function draw(candle) {
  if (!series || candle.symbol !== view.symbol) return;
  const result = merge(series, candle);
  if (result === "gap") reloadSoon();
  else if (result !== "old") dirty.add(result === "earlier" ? "series" : "last");
}

/**
 * @param {Candles} shown
 * @param {Candle | FormingCandle} candle
 */
function merge(shown, candle) {
  if (candle.interval === view.interval) return shown.upsert(candle);
  if ("last_price" in candle) return shown.touch(Number(candle.last_price), timestamp(candle.time));
  reloadSoon(5000); // for the volume of the longer interval
  return "old";
}

// --- On the screen --------------------------------------------------------------------------

/**
 * @param {Candle[]} candles
 * @param {boolean} keepPlace
 */
function showSeries(candles, keepPlace) {
  const name = `${view.symbol} ${view.interval}`;
  const same = seriesShown === name;
  seriesShown = name;
  series = new Candles(view.interval, candles);
  const strategy = strategies.find((each) => each.name === view.strategy);
  chart.scale({
    places: market.places(view.symbol),
    step: market.step(view.symbol),
    periods: { sma: strategy?.sma_period ?? 10, ema: strategy?.ema_period ?? 5 },
  });
  chart.show(series, { keepPlace: keepPlace && same });
  find("chart-empty", HTMLElement).hidden = candles.length > 0;
  const words = `${view.symbol}, ${view.interval} candles, with SMA and EMA, signals and stop prices`;
  find("chart", HTMLElement).setAttribute("aria-label", words);
}

function showAll() {
  showChoices();
  showBook();
  showPrices();
}

/**
 * @param {Element} element
 * @param {boolean} on
 */
function pressed(element, on) {
  element.setAttribute("aria-pressed", String(on));
}

/**
 * @param {string} text
 * @param {boolean} on
 * @param {() => void} onClick
 */
function button(text, on, onClick) {
  const element = create("button", {}, text);
  element.type = "button";
  pressed(element, on);
  element.addEventListener("click", onClick);
  return element;
}

function symbolButtons() {
  const buttons = find("symbols", HTMLElement).querySelectorAll("button");
  return [...buttons].map((element) => ({ element, symbol: element.dataset.symbol ?? "" }));
}

function showChoices() {
  const symbols = find("symbols", HTMLElement);
  if (symbols.dataset.names !== market.names.join()) {
    symbols.dataset.names = market.names.join();
    symbols.replaceChildren(...market.names.map(symbolButton));
  }
  for (const { element, symbol } of symbolButtons()) pressed(element, symbol === view.symbol);
  showIntervals();
  const select = find("strategy", HTMLSelectElement);
  select.replaceChildren(
    ...strategies.map(
      ({ name, sma_period: sma, ema_period: ema }) =>
        new Option(`${name} · SMA ${sma}, EMA ${ema}`, name),
    ),
  );
  select.value = view.strategy;
  const title = view.symbol ? `${view.symbol} ${view.interval}` : "No symbol is followed";
  find("chart-title", HTMLElement).textContent = title;
}

function showIntervals() {
  const element = find("intervals", HTMLElement);
  element.hidden = intervals.length === 1;
  element.replaceChildren(
    ...intervals.map((interval) =>
      button(interval, interval === view.interval, () => choose({ interval })),
    ),
  );
}

/** @param {string} symbol */
function symbolButton(symbol) {
  const element = button("", false, () => choose({ symbol }));
  element.dataset.symbol = symbol;
  const known = market.symbols.get(symbol);
  element.append(
    create("b", {}, known?.base ?? "", create("small", {}, `/${known?.quote}`)),
    create("span", { className: "price num" }),
  );
  return element;
}

/** @param {Partial<View>} change */
function choose(change) {
  Object.assign(view, change);
  for (const [name, value] of Object.entries(change)) localStorage.setItem(name, value);
  series = null;
  showChoices();
  showPrices();
  reload({ keepPlace: "strategy" in change });
}

function showPrices() {
  for (const { element, symbol } of symbolButtons()) {
    findIn(element, ".price").textContent = lastPrice(symbol);
  }
  const last = lastPrice(view.symbol);
  find("last-price", HTMLElement).textContent = last;
  document.title = view.symbol ? `${last} ${view.symbol}` : "Trading";
  showPositions();
  showAge();
}

/** @param {string} symbol */
function lastPrice(symbol) {
  return price(market.lastText(symbol), market.places(symbol));
}

function showPositions() {
  const { open } = book;
  tables.positions.show(open);
  const gains = open.map((row) => unrealised(row, market.lastPrice(row.symbol)));
  const total = gains.reduce((/** @type {number} */ sum, gain) => sum + (gain ?? 0), 0);
  const cost = open.reduce((sum, row) => sum + Number(row.cost), 0);
  const element = find("positions-total", HTMLElement);
  element.textContent = open.length ? `${signed(total)} (${percent(total / cost)})` : "";
  element.classList.toggle("up", total > 0);
  element.classList.toggle("down", total < 0);
}

function showAge() {
  const seconds = market.age(view.symbol);
  find("last-age", HTMLElement).textContent = seconds === null ? "no tick yet" : age(seconds);
  feedLine.show({
    symbol: view.symbol,
    status: stateLine.status,
    connection: stateLine.connection,
    ageSeconds: seconds,
    candles: series?.list ?? [],
    stream: market.stream(view.symbol),
  });
}

function showBook() {
  tables.orders.show(book.inFlight);
  tables.signals.show(book.list("signal").slice(0, SHOWN_ROWS));
  tables.trades.show(book.list("trade").slice(0, SHOWN_ROWS));
  showPositions();
  chart.drawStops(stops());
  chart.mark(marks());
}

/** The shown symbol's stop prices. */
function stops() {
  const places = market.places(view.symbol);
  return book.open
    .filter((row) => row.symbol === view.symbol && row.stop_price !== null)
    .map((row) => ({
      price: Number(Number(row.stop_price).toFixed(places)),
      title: `Stop ${row.strategy}`,
    }));
}

/**
 * The shown symbol's signals as marks; those of one candle and side share an arrow.
 *
 * @returns {Mark[]}
 */
function marks() {
  if (!series) return [];
  const first = series.list[0]?.time ?? Number.POSITIVE_INFINITY;
  /** @type {Map<string, Omit<Mark, "text"> & {names: Set<string>}>} */
  const found = new Map();
  for (const signal of book.list("signal").filter(({ symbol }) => symbol === view.symbol)) {
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

function frame() {
  if (dirty.has("series") && series) chart.show(series, { keepPlace: true });
  else if (dirty.has("last") && series) chart.showLast();
  if (dirty.has("book")) showBook();
  if (dirty.has("prices")) showPrices();
  dirty.clear();
  requestAnimationFrame(frame);
}

function changeTheme() {
  const { dataset } = document.documentElement;
  const next = dataset.theme === "dark" ? "light" : "dark";
  dataset.theme = next;
  localStorage.setItem("theme", next);
  chart.paint();
}

find("theme", HTMLElement).addEventListener("click", changeTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.paint());
const select = find("strategy", HTMLSelectElement);
select.addEventListener("change", () => choose({ strategy: select.value }));
setInterval(() => {
  showAge();
  stateLine.tell();
}, 500);
requestAnimationFrame(frame);
const scheme = location.protocol === "https:" ? "wss" : "ws";
new Live(`${scheme}://${location.host}/ws/`, {
  onMessage: take,
  onCatchUp: reload,
  onState: (state) => stateLine.connected(state),
});
