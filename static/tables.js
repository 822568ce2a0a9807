// Tables of the page: rows out of the API's JSON, with words where there are none.

/** @import { Market } from "./market.js" */
/** @import { Order, Position, Side, Signal, Trade } from "./messages.js" */

import { create, find } from "./dom.js";
import { clock, percent, price, signed } from "./format.js";

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
function side(name) {
  return create("span", { className: `chip ${name === "BUY" ? "up" : "down"}` }, name);
}

/** @param {string} text */
function small(text) {
  return create("small", {}, text);
}

/**
 * @param {string} upper
 * @param {string} lower
 */
function stacked(upper, lower) {
  return [upper, small(lower)];
}

/**
 * "stop_loss", "FILLED" -> "stop loss", "filled"
 *
 * @param {string} name
 */
function spoken(name) {
  return name.toLowerCase().replaceAll("_", " ");
}

/** @template Row */
export class Table {
  /**
   * @param {HTMLTableElement} element
   * @param {Column<Row>[]} columns
   * @param {string} empty the words where there are no rows
   */
  constructor(element, columns, empty) {
    this.columns = columns;
    this.empty = empty;
    const head = element.createTHead().insertRow();
    for (const [title, className] of columns) {
      head.append(Object.assign(create("th", { className }, title), { scope: "col" }));
    }
    this.body = element.createTBody();
    this.show([]);
  }

  /** @param {Row[]} rows */
  show(rows) {
    if (rows.length === 0) {
      const words = cell(this.empty, "empty");
      words.colSpan = this.columns.length;
      this.body.replaceChildren(create("tr", {}, words));
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
 * What a position would bring over its cost at `last`; for looking at.
 *
 * @param {Position} position
 * @param {number | undefined} last
 */
export function unrealised({ quantity, cost }, last) {
  return last === undefined ? null : Number(quantity) * last - Number(cost);
}

/**
 * A price with the places of its row's symbol.
 *
 * @param {Market} market
 * @param {{symbol: string}} row
 * @param {string | null} text
 */
function money(market, row, text) {
  return price(text, market.places(row.symbol));
}

/**
 * @param {Market} market
 * @param {Position} row
 */
function gain(market, row) {
  const value = unrealised(row, market.lastPrice(row.symbol));
  if (value === null) return stacked(signed(value), "");
  const parts = stacked(signed(value), percent(value / Number(row.cost)));
  return create("span", { className: value < 0 ? "down" : "up" }, ...parts);
}

/** @param {Market} market */
export function positionsTable(market) {
  /** @type {Column<Position>[]} */
  const columns = [
    ["Position", "", (row) => stacked(row.symbol, `${row.strategy} · ${price(row.quantity)}`)],
    [
      "Entry",
      "num",
      (row) =>
        stacked(money(market, row, row.entry_price), `stop ${money(market, row, row.stop_price)}`),
    ],
    ["Last", "num live", (row) => money(market, row, market.lastText(row.symbol))],
    ["P&L", "num live", (row) => gain(market, row)],
  ];
  return new Table(find("positions", HTMLTableElement), columns, "No open positions.");
}

/** @param {Market} market */
export function ordersTable(market) {
  /** @param {Order} row */
  const stopped = (row) =>
    row.stop_price ? `${row.strategy} · stop ${money(market, row, row.stop_price)}` : row.strategy;
  /** @type {Column<Order>[]} */
  const columns = [
    ["Sent", "num time", (row) => clock(row.submitted_at ?? row.created_at)],
    ["Order", "", (row) => [side(row.side), ` ${row.symbol}`, small(stopped(row))]],
    ["Quantity", "num", (row) => price(row.quantity)],
    ["State", "", (row) => spoken(row.status)],
  ];
  return new Table(find("orders", HTMLTableElement), columns, "No orders in flight.");
}

/** @param {Market} market */
export function signalsTable(market) {
  /** @param {Signal} row */
  const why = (row) => small(`${row.strategy} · ${spoken(row.reason)}`);
  /** @type {Column<Signal>[]} */
  const columns = [
    ["Time", "num time", (row) => clock(row.created_at)],
    ["Signal", "", (row) => [side(row.side), ` ${row.symbol}`, why(row)]],
    ["Price", "num", (row) => money(market, row, row.price)],
    ["Outcome", "words", (row) => row.outcome || spoken(row.order_status ?? "")],
  ];
  const empty = "No signals yet. They come with closed candles.";
  return new Table(find("signals", HTMLTableElement), columns, empty);
}

/** @param {Market} market */
export function tradesTable(market) {
  /** @type {Column<Trade>[]} */
  const columns = [
    ["Time", "num time", (row) => clock(row.time)],
    ["Trade", "", (row) => [side(row.side), ` ${row.symbol}`, small(row.strategy)]],
    ["Price", "num", (row) => stacked(money(market, row, row.price), price(row.quantity))],
    ["Fee", "num", (row) => stacked(price(row.commission), row.commission_asset)],
  ];
  return new Table(find("trades", HTMLTableElement), columns, "No trades yet.");
}
