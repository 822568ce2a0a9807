// The dashboard: asks the API for everything, then follows the socket, and asks again after a gap.

/** @import { Candle, FormingCandle, Message, Records, RecordType } from "./messages.js" */
/** @import { Choice } from "./selection.js" */
/** @import { State } from "./view.js" */

import { getCandles, getRecords, getStrategies, getSymbols } from "./api.js";
import { CandleSeries, timestamp } from "./chart/series.js";
import { find } from "./dom.js";
import { HaltControl } from "./halt.js";
import { Market } from "./market.js";
import { Selection } from "./selection.js";
import { LiveSocket } from "./socket.js";
import { StatusBar } from "./status.js";
import { RECORD_TYPES, RecordStore } from "./store.js";
import { View } from "./view.js";

const MIN_RELOAD_INTERVAL_MS = 2000;
const RETRY_AFTER_MS = 5000;

const intervals = (document.body.dataset.intervals ?? "").split(",");
const market = new Market();
const store = new RecordStore();
const selection = new Selection(intervals);
const statusBar = new StatusBar();
/** @type {State} */
const state = { market, store, selection, strategies: [], series: null, statusBar };
const view = new View(state, intervals, select);
const haltControl = new HaltControl({
  staff: document.body.dataset.staff === "true",
  onChange: (level) => statusBar.setStatus({ ...statusBar.status, halt: level }),
});

/** @type {Message[] | null} those that came while the API has not answered */
let pending = null;
let reloads = 0;
let reloadIsDue = false;
/** @type {Set<"prices" | "records" | "candles" | "last candle">} */
const changed = new Set();

// --- From the API ---------------------------------------------------------------------------

/** Ask for everything anew. Messages that arrive meanwhile are applied again on top. */
async function reload({ keepRange = true } = {}) {
  reloads += 1;
  const mine = reloads;
  pending = [];
  try {
    const [{ symbols }, { strategies }] = await Promise.all([
      getSymbols(),
      getStrategies(),
      haltControl.reload(),
    ]);
    if (mine !== reloads) return;
    market.setSymbols(symbols);
    state.strategies = strategies;
    selection.restrictTo(market.names, strategies.map(nameOf));
    const [candles, records] = await Promise.all([fetchCandles(), fetchRecords()]);
    if (mine !== reloads) return;
    for (const replace of records) replace();
    state.series = new CandleSeries(selection.interval, candles);
    const missed = pending;
    pending = null;
    for (const message of missed) apply(message);
    changed.clear();
    view.showAll({ keepRange });
  } catch (error) {
    if (mine !== reloads) return;
    console.warn("not loaded:", error);
    reloadSoon(RETRY_AFTER_MS);
  }
}

/** @param {{name: string}} strategy */
function nameOf({ name }) {
  return name;
}

/** @returns {Promise<Candle[]>} */
async function fetchCandles() {
  if (!selection.symbol) return [];
  return (await getCandles(selection.symbol, selection.interval)).candles;
}

/** All types of records, each as a function that puts them into the store. */
function fetchRecords() {
  return Promise.all(RECORD_TYPES.map(fetchRecordsOf));
}

/**
 * @template {RecordType} T
 * @param {T} type
 */
async function fetchRecordsOf(type) {
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

/** @param {Partial<Choice>} choice */
function select(choice) {
  selection.change(choice);
  state.series = null;
  view.showSelection();
  view.showPrices();
  reload({ keepRange: "strategy" in choice });
}

// --- From the socket ------------------------------------------------------------------------

/** @param {Message} message */
function receive(message) {
  pending?.push(message);
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
      if (message.data.halt !== statusBar.status.halt) reloadHalt();
      statusBar.setStatus(message.data);
      break;
    case "forming":
      applyForming(message.data);
      break;
    case "candle":
      applyCandle(message.data);
      break;
    case "order":
      store.upsertOrder(message.data);
      changed.add("records");
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

function reloadHalt() {
  haltControl.reload().catch(() => reloadSoon());
}

/**
 * @template {RecordType} T
 * @param {T} type
 * @param {Records[T]} record
 */
function applyRecord(type, record) {
  store.upsert(type, record);
  changed.add("records");
}

/** @param {FormingCandle} candle */
function applyForming(candle) {
  if (market.applyTick(candle)) changed.add("prices");
  applyCandle(candle);
}

/** @param {Candle | FormingCandle} candle */
function applyCandle(candle) {
  if (!state.series || candle.symbol !== selection.symbol) return;
  const change = updateSeries(state.series, candle);
  if (change === "gap") reloadSoon();
  else if (change !== "none") changed.add(change === "earlier" ? "candles" : "last candle");
}

/**
 * @param {CandleSeries} series
 * @param {Candle | FormingCandle} candle of its symbol
 */
function updateSeries(series, candle) {
  if (candle.interval === selection.interval) return series.upsert(candle);
  if ("last_price" in candle) {
    return series.applyTick(Number(candle.last_price), timestamp(candle.time));
  }
  reloadSoon(RETRY_AFTER_MS); // for the volume of the longer interval
  return "none";
}

// --- On the screen --------------------------------------------------------------------------

/** Once a frame, so that many messages cost one redraw. */
function showChanges() {
  if (changed.has("candles")) view.showCandles("all");
  else if (changed.has("last candle")) view.showCandles("last");
  if (changed.has("records")) view.showRecords();
  if (changed.has("prices")) view.showPrices();
  changed.clear();
  requestAnimationFrame(showChanges);
}

function changeTheme() {
  const { dataset } = document.documentElement;
  dataset.theme = dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", dataset.theme);
  view.chart.applyTheme();
}

find("theme", HTMLElement).addEventListener("click", changeTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  view.chart.applyTheme(),
);
setInterval(() => {
  view.showAge();
  statusBar.showFreshness();
}, 500);
requestAnimationFrame(showChanges);
const scheme = location.protocol === "https:" ? "wss" : "ws";
new LiveSocket(`${scheme}://${location.host}/ws/`, {
  onMessage: receive,
  onGap: reload,
  onConnection: (connection) => statusBar.setConnection(connection),
});
