// The page's tables.

/** @import { Market } from "./market.js" */
/** @import { Order, Position, Side, Signal, Trade } from "./messages.js" */

import { create, find } from "./dom.js";
import { formatCode, formatDecimal, formatPercent, formatPnl, formatTime } from "./format.js";

/** @typedef {string | Node | (string | Node)[]} Content */

/**
 * @template Row
 * @typedef {[title: string, className: string, content: (row: Row) => Content]} Column
 */

/**
 * @param {Content} content
 * @param {string} className
 */
function cell(content, className = "") {
  return create("td", { className }, ...[content].flat());
}

/** @param {Side} name */
function sideChip(name) {
  return create("span", { className: `chip ${name === "BUY" ? "up" : "down"}` }, name);
}

/** @param {string} text */
function secondary(text) {
  return create("small", {}, text);
}

/**
 * @param {string} upper
 * @param {string} lower
 */
function stacked(upper, lower) {
  return [upper, secondary(lower)];
}

/** @template Row */
export class Table {
  /**
   * @param {HTMLTableElement} element
   * @param {Column<Row>[]} columns
   * @param {string} empty shown where there are no rows
   */
  constructor(element, columns, empty) {
    this.columns = columns;
    this.empty = empty;
    const head = element.createTHead().insertRow();
    for (const [title, className] of columns) {
      head.append(Object.assign(create("th", { className }, title), { scope: "col" }));
    }
    this.body = element.createTBody();
    this.setRows([]);
  }

  /** @param {Row[]} rows */
  setRows(rows) {
    if (rows.length === 0) {
      const text = cell(this.empty, "empty");
      text.colSpan = this.columns.length;
      this.body.replaceChildren(create("tr", {}, text));
      return;
    }
    this.body.replaceChildren(...rows.map((row) => this.row(row)));
  }

  /** @param {Row} row */
  row(row) {
    return create("tr", {}, ...this.columns.map(([, name, content]) => cell(content(row), name)));
  }
}

/**
 * What a position would bring at `last` over its cost, which includes the fees of its entry.
 *
 * @param {Position} position
 * @param {number | null} last
 */
function unrealisedPnl({ quantity, cost }, last) {
  return last === null ? null : Number(quantity) * last - Number(cost);
}

/**
 * A price with the precision of its row's symbol.
 *
 * @param {Market} market
 * @param {{symbol: string}} row
 * @param {string | null} text
 */
function formatPrice(market, row, text) {
  return formatDecimal(text, market.precision(row.symbol));
}

/**
 * @param {Market} market
 * @param {Position} row
 */
function pnlCell(market, row) {
  const value = unrealisedPnl(row, market.lastPrice(row.symbol));
  if (value === null) return stacked(formatPnl(value), "");
  const parts = stacked(formatPnl(value), formatPercent(value / Number(row.cost)));
  return create("span", { className: value < 0 ? "down" : "up" }, ...parts);
}

/**
 * @param {HTMLElement} element
 * @param {Position[]} positions
 * @param {Market} market
 */
export function showTotalPnl(element, positions, market) {
  const totals = [...totalsByQuote(positions, market)];
  totals.sort(([one], [other]) => one.localeCompare(other));
  element.replaceChildren(...totals.map(([quote, total]) => totalPnl(quote, total)));
}

/** @typedef {{pnl: number, cost: number}} Total in one quote asset */

/**
 * Amounts of different quote assets are never added up.
 *
 * @param {Position[]} positions
 * @param {Market} market
 */
function totalsByQuote(positions, market) {
  /** @type {Map<string, Total>} */
  const totals = new Map();
  for (const position of positions) {
    const quote = market.quote(position.symbol);
    const { pnl, cost } = totals.get(quote) ?? { pnl: 0, cost: 0 };
    const own = unrealisedPnl(position, market.lastPrice(position.symbol)) ?? 0;
    totals.set(quote, { pnl: pnl + own, cost: cost + Number(position.cost) });
  }
  return totals;
}

/**
 * @param {string} quote
 * @param {Total} total
 */
function totalPnl(quote, { pnl, cost }) {
  const text = `${formatPnl(pnl)} ${quote} (${formatPercent(pnl / cost)})`;
  return create("span", { className: pnl < 0 ? "down" : "up" }, text);
}

/** @param {Market} market */
export function createPositionsTable(market) {
  /** @type {Column<Position>[]} */
  const columns = [
    [
      "Position",
      "",
      (row) => stacked(row.symbol, `${row.strategy} · ${formatDecimal(row.quantity)}`),
    ],
    [
      "Entry",
      "num",
      (row) =>
        stacked(
          formatPrice(market, row, row.entry_price),
          `stop ${formatPrice(market, row, row.stop_price)}`,
        ),
    ],
    ["Last", "num live", (row) => formatPrice(market, row, market.lastPriceText(row.symbol))],
    ["P&L", "num live", (row) => pnlCell(market, row)],
  ];
  return new Table(find("positions", HTMLTableElement), columns, "No open positions.");
}

/** @param {Market} market */
export function createOrdersTable(market) {
  /** @param {Order} row */
  const strategyAndStop = (row) =>
    row.stop_price
      ? `${row.strategy} · stop ${formatPrice(market, row, row.stop_price)}`
      : row.strategy;
  /** @type {Column<Order>[]} */
  const columns = [
    ["Sent", "num time", (row) => formatTime(row.submitted_at ?? row.created_at)],
    ["Order", "", (row) => [sideChip(row.side), ` ${row.symbol}`, secondary(strategyAndStop(row))]],
    ["Quantity", "num", (row) => formatDecimal(row.quantity)],
    ["Status", "", (row) => formatCode(row.status)],
  ];
  return new Table(find("orders", HTMLTableElement), columns, "No open orders.");
}

/** @param {Market} market */
export function createSignalsTable(market) {
  /** @param {Signal} row */
  const strategyAndReason = (row) => secondary(`${row.strategy} · ${formatCode(row.reason)}`);
  /** @param {Signal} row */
  const outcome = ({ order_status: status, outcome: reason }) =>
    status === null || status === "DENIED" ? reason : formatCode(status);
  /** @type {Column<Signal>[]} */
  const columns = [
    ["Time", "num time", (row) => formatTime(row.created_at)],
    ["Signal", "", (row) => [sideChip(row.side), ` ${row.symbol}`, strategyAndReason(row)]],
    ["Price", "num", (row) => formatPrice(market, row, row.price)],
    ["Outcome", "outcome", outcome],
  ];
  const empty = "No signals yet. Strategies are evaluated as candles close.";
  return new Table(find("signals", HTMLTableElement), columns, empty);
}

/** @param {Market} market */
export function createTradesTable(market) {
  /** @type {Column<Trade>[]} */
  const columns = [
    ["Time", "num time", (row) => formatTime(row.time)],
    ["Trade", "", (row) => [sideChip(row.side), ` ${row.symbol}`, secondary(row.strategy)]],
    [
      "Price",
      "num",
      (row) => stacked(formatPrice(market, row, row.price), formatDecimal(row.quantity)),
    ],
    ["Fee", "num", (row) => stacked(formatDecimal(row.commission), row.commission_asset)],
  ];
  return new Table(find("trades", HTMLTableElement), columns, "No trades yet.");
}
