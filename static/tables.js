// Tables of the page: rows out of the API's JSON, with words where there are none.

import { clock, percent, price, signed } from "./format.js";

function cell(content, className = "") {
  const td = document.createElement("td");
  td.className = className;
  td.append(...[content].flat());
  return td;
}

function chip(text, kind) {
  return Object.assign(document.createElement("span"), {
    className: `chip ${kind}`,
    textContent: text,
  });
}

function side(name) {
  return chip(name, name === "BUY" ? "up" : "down");
}

function small(text) {
  return Object.assign(document.createElement("small"), { textContent: text });
}

function stacked(upper, lower) {
  return [upper, small(lower)];
}

/** "stop_loss", "FILLED" -> "stop loss", "filled" */
function spoken(name) {
  return name.toLowerCase().replaceAll("_", " ");
}

/** A table with `columns` of [title, class, cell content of a row]. */
export class Table {
  constructor(element, columns, empty) {
    this.columns = columns;
    this.empty = empty;
    const head = element.createTHead().insertRow();
    for (const [title, kind] of columns) {
      head.append(
        Object.assign(document.createElement("th"), {
          scope: "col",
          textContent: title,
          className: kind,
        }),
      );
    }
    this.body = element.createTBody();
    this.show([]);
  }

  show(rows) {
    if (rows.length === 0) {
      const words = cell(this.empty, "empty");
      words.colSpan = this.columns.length;
      const row = document.createElement("tr");
      row.append(words);
      this.body.replaceChildren(row);
      return;
    }
    this.body.replaceChildren(
      ...rows.map((row) => {
        const tr = document.createElement("tr");
        tr.append(...this.columns.map(([, kind, content]) => cell(content(row), kind)));
        return tr;
      }),
    );
  }
}

/** What a position would bring over its cost at `last`; for looking at. */
export function unrealised({ quantity, cost }, last) {
  return last === undefined ? null : Number(quantity) * last - Number(cost);
}

/** All tables by name; `market` tells places and last price of a symbol. */
export function makeTables(market, find = (id) => document.getElementById(id)) {
  const money = (row, text) => price(text, market.places(row.symbol));
  const gain = (row) => {
    const value = unrealised(row, market.lastPrice(row.symbol));
    const text = stacked(signed(value), value === null ? "" : percent(value / Number(row.cost)));
    const span = document.createElement("span");
    if (value !== null) span.className = value < 0 ? "down" : "up";
    span.append(...text);
    return span;
  };
  const stopped = (row) =>
    row.stop_price ? `${row.strategy} · stop ${money(row, row.stop_price)}` : row.strategy;
  return {
    positions: new Table(
      find("positions"),
      [
        ["Position", "", (row) => stacked(row.symbol, `${row.strategy} · ${price(row.quantity)}`)],
        [
          "Entry",
          "num",
          (row) => stacked(money(row, row.entry_price), `stop ${money(row, row.stop_price)}`),
        ],
        [
          "Last",
          "num live",
          (row) => price(market.lastText(row.symbol), market.places(row.symbol)),
        ],
        ["P&L", "num live", gain],
      ],
      "No open positions.",
    ),
    orders: new Table(
      find("orders"),
      [
        ["Sent", "num time", (row) => clock(row.submitted_at ?? row.created_at)],
        ["Order", "", (row) => [side(row.side), ` ${row.symbol}`, small(stopped(row))]],
        ["Quantity", "num", (row) => price(row.quantity)],
        ["State", "", (row) => spoken(row.status)],
      ],
      "No orders in flight.",
    ),
    signals: new Table(
      find("signals"),
      [
        ["Time", "num time", (row) => clock(row.created_at)],
        [
          "Signal",
          "",
          (row) => [
            side(row.side),
            ` ${row.symbol}`,
            small(`${row.strategy} · ${spoken(row.reason)}`),
          ],
        ],
        ["Price", "num", (row) => money(row, row.price)],
        ["Outcome", "words", (row) => row.outcome || spoken(row.order_status ?? "")],
      ],
      "No signals yet. They come with closed candles.",
    ),
    trades: new Table(
      find("trades"),
      [
        ["Time", "num time", (row) => clock(row.time)],
        ["Trade", "", (row) => [side(row.side), ` ${row.symbol}`, small(row.strategy)]],
        ["Price", "num", (row) => stacked(money(row, row.price), price(row.quantity))],
        ["Fee", "num", (row) => stacked(price(row.commission), row.commission_asset)],
      ],
      "No trades yet.",
    ),
  };
}
