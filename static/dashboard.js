// The page: asks the API how things stand, then follows the socket, and asks again after a gap.

import { get } from "./api.js";
import { Book, KINDS } from "./book.js";
import { Candles } from "./candles.js";
import { Chart } from "./chart.js";
import { FeedLine } from "./feed.js";
import { age, percent, price, signed } from "./format.js";
import { HaltControl } from "./halt.js";
import { Live } from "./live.js";
import { Market } from "./market.js";
import { StateLine } from "./state.js";
import { makeTables, unrealised } from "./tables.js";

const SHOWN_ROWS = 30;
const RELOAD_AT_MOST_EVERY_MS = 2000;
const LISTS = {
  position: "/positions?status=open&limit=200",
  order: "/orders?limit=100",
  signal: "/signals?limit=100",
  trade: "/trades?limit=100",
};

const find = (id) => document.getElementById(id);
const intervals = document.body.dataset.intervals.split(",");
const market = new Market();
const book = new Book();
const tables = makeTables(market);
const stateLine = new StateLine();
const chart = new Chart(find("chart"), find("legend"));
const feedLine = new FeedLine(find("feed"));
const haltControl = new HaltControl({
  staff: document.body.dataset.staff === "true",
  onChange: (level) => stateLine.told({ ...stateLine.status, halt: level }),
});

const view = {
  symbol: localStorage.getItem("symbol"),
  interval: localStorage.getItem("interval") ?? intervals[0],
  strategy: localStorage.getItem("strategy"),
};
if (!intervals.includes(view.interval)) [view.interval] = intervals;

let strategies = [];
let series = null;
let loading = null; // messages that came since the API was last asked and has not answered
let loads = 0;
let reloadIsDue = false;
const dirty = new Set();

// --- From the API ---------------------------------------------------------------------------

/** Ask for everything anew. Messages that arrive meanwhile are applied again on top. */
async function reload({ keepPlace = true } = {}) {
  const mine = ++loads;
  loading = [];
  try {
    const [{ symbols }, answer] = await Promise.all([
      get("/symbols"),
      get("/strategy"),
      haltControl.load(),
    ]);
    if (mine !== loads) return;
    market.load(symbols);
    ({ strategies } = answer);
    chooseWhatThereIs();
    const [candles, ...lists] = await Promise.all([
      view.symbol
        ? get(`/candles/${view.symbol}?interval=${view.interval}&limit=500&forming=true`)
        : { candles: [] },
      ...KINDS.map((kind) => get(LISTS[kind])),
    ]);
    if (mine !== loads) return;
    for (const [at, kind] of KINDS.entries()) book.load(kind, lists[at].results);
    showSeries(candles, keepPlace);
    const missed = loading;
    loading = null;
    missed.forEach(apply);
    showAll();
  } catch (error) {
    if (mine !== loads) return;
    console.warn(`not loaded: ${error.message}`);
    reloadSoon(5000);
  }
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
  if (!market.symbols.has(view.symbol)) [view.symbol] = market.names;
  if (!strategies.some(({ name }) => name === view.strategy))
    view.strategy = strategies[0]?.name ?? null;
}

// --- From the socket ------------------------------------------------------------------------

function take(message) {
  loading?.push(message);
  apply(message);
}

function apply({ type, data }) {
  if (type === "snapshot") {
    stateLine.told(data.status);
    for (const candle of data.forming) apply({ type: "forming", data: candle });
  } else if (type === "status") {
    if (data.halt !== stateLine.status.halt) haltControl.load().catch(() => reloadSoon());
    stateLine.told(data);
  } else if (type === "forming") {
    if (market.tick(data)) dirty.add("prices");
    draw(data);
  } else if (type === "candle") {
    draw(data);
  } else if (KINDS.includes(type)) {
    book.upsert(type, data);
    dirty.add("book");
  }
}

/** Bring one candle into the chart, if it is one of those shown. */
function draw(candle) {
  if (!series || candle.symbol !== view.symbol) return;
  let result = "old";
  if (candle.interval === view.interval) result = series.upsert(candle);
  else if (candle.closed)
    reloadSoon(5000); // for the volume of the longer interval
  else result = series.touch(Number(candle.last_price), Date.parse(candle.time) / 1000);
  if (result === "gap") reloadSoon();
  else if (result !== "old")
    dirty.add(result === "earlier" || dirty.has("series") ? "series" : "last");
}

// --- On the screen --------------------------------------------------------------------------

function showSeries({ candles }, keepPlace) {
  const same = chart.shown === `${view.symbol} ${view.interval}`;
  chart.shown = `${view.symbol} ${view.interval}`;
  series = new Candles(view.interval, candles);
  const strategy = strategies.find(({ name }) => name === view.strategy);
  chart.scale({
    places: market.places(view.symbol),
    step: market.step(view.symbol),
    periods: { sma: strategy?.sma_period ?? 10, ema: strategy?.ema_period ?? 5 },
  });
  chart.show(series, { keepPlace: keepPlace && same });
  find("chart-empty").hidden = candles.length > 0;
  const words = `${view.symbol}, ${view.interval} candles, with SMA and EMA, signals and stop prices`;
  find("chart").setAttribute("aria-label", words);
}

function showAll() {
  showChoices();
  showBook();
  showPrices();
}

function pressed(element, on) {
  element.setAttribute("aria-pressed", String(on));
}

function button(text, on, onClick) {
  const element = Object.assign(document.createElement("button"), {
    type: "button",
    textContent: text,
  });
  pressed(element, on);
  element.addEventListener("click", onClick);
  return element;
}

function showChoices() {
  const symbols = find("symbols");
  if (symbols.dataset.names !== market.names.join()) {
    symbols.dataset.names = market.names.join();
    symbols.replaceChildren(...market.names.map(symbolButton));
  }
  for (const each of symbols.children) pressed(each, each.dataset.symbol === view.symbol);
  find("intervals").hidden = intervals.length === 1;
  find("intervals").replaceChildren(
    ...intervals.map((name) =>
      button(name, name === view.interval, () => choose({ interval: name })),
    ),
  );
  const select = find("strategy");
  select.replaceChildren(
    ...strategies.map(
      ({ name, sma_period: sma, ema_period: ema }) =>
        new Option(`${name} · SMA ${sma}, EMA ${ema}`, name),
    ),
  );
  select.value = view.strategy ?? "";
  find("chart-title").textContent = view.symbol
    ? `${view.symbol} ${view.interval}`
    : "No symbol is followed";
}

function symbolButton(name) {
  const element = button("", false, () => choose({ symbol: name }));
  element.dataset.symbol = name;
  const { base, quote } = market.symbols.get(name);
  const title = Object.assign(document.createElement("b"), { textContent: base });
  title.append(Object.assign(document.createElement("small"), { textContent: `/${quote}` }));
  element.append(title, Object.assign(document.createElement("span"), { className: "price num" }));
  return element;
}

function choose(change) {
  Object.assign(view, change);
  for (const [name, value] of Object.entries(change)) localStorage.setItem(name, value);
  series = null;
  showChoices();
  showPrices();
  reload({ keepPlace: "strategy" in change });
}

function showPrices() {
  for (const each of find("symbols").children) {
    const { symbol } = each.dataset;
    each.lastChild.textContent = price(market.lastText(symbol), market.places(symbol));
  }
  const last = price(market.lastText(view.symbol), market.places(view.symbol));
  find("last-price").textContent = last;
  document.title = view.symbol ? `${last} ${view.symbol}` : "Trading";
  showPositions();
  showAge();
}

function showPositions() {
  const { open } = book;
  tables.positions.show(open);
  const gains = open.map((row) => unrealised(row, market.lastPrice(row.symbol)));
  const total = gains.reduce((sum, gain) => sum + (gain ?? 0), 0);
  const cost = open.reduce((sum, row) => sum + Number(row.cost), 0);
  const element = find("positions-total");
  element.textContent = open.length ? `${signed(total)} (${percent(total / cost)})` : "";
  element.classList.toggle("up", total > 0);
  element.classList.toggle("down", total < 0);
}

function showAge() {
  const seconds = market.age(view.symbol);
  find("last-age").textContent = seconds === null ? "no tick yet" : age(seconds);
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
  const places = market.places(view.symbol);
  const stops = book.open.filter((row) => row.symbol === view.symbol && row.stop_price !== null);
  chart.drawStops(
    stops.map((row) => ({
      price: Number(Number(row.stop_price).toFixed(places)),
      title: `Stop ${row.strategy}`,
    })),
  );
  chart.mark(marks());
}

/** The shown symbol's signals as marks; those of one candle and side share an arrow. */
function marks() {
  const first = series?.list[0]?.time ?? Number.POSITIVE_INFINITY;
  const found = new Map();
  for (const signal of book.list("signal").filter(({ symbol }) => symbol === view.symbol)) {
    const at = Date.parse(signal.candle_open_time ?? signal.created_at) / 1000;
    const time = at - (at % (series?.step ?? 60));
    if (time < first) continue;
    const key = `${time} ${signal.side}`;
    const names = found.get(key)?.names ?? new Set();
    found.set(key, { time, side: signal.side, names: names.add(signal.strategy) });
  }
  return [...found.values()]
    .sort((a, b) => a.time - b.time)
    .map(({ time, side, names }) => ({
      time,
      side,
      text: [...names].sort((a, b) => a.localeCompare(b)).join(" "),
    }));
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

find("theme").addEventListener("click", changeTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.paint());
find("strategy").addEventListener("change", ({ target }) => choose({ strategy: target.value }));
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
