// Our own things, kept by their keys: what the API said, brought up to date by the socket.

/** @import { Kind, Order, Records } from "./messages.js" */

/** @type {{[K in Kind]: (row: Records[K]) => string}} */
const KEYS = {
  position: (row) => String(row.id),
  order: (row) => row.client_order_id,
  signal: (row) => row.key,
  trade: (row) => `${row.client_order_id} ${row.trade_id}`,
};
/** @type {{[K in Kind]: (row: Records[K]) => string}} */
const TIMES = {
  position: (row) => row.opened_at,
  order: (row) => row.created_at,
  signal: (row) => row.created_at,
  trade: (row) => row.time,
};
const IN_FLIGHT = new Set(["PENDING", "SUBMITTED", "UNKNOWN", "NEW", "PARTIALLY_FILLED"]);
const KEPT = 200;

/** @type {Kind[]} */
export const KINDS = ["position", "order", "signal", "trade"];

export class Book {
  /** @type {{[K in Kind]: Map<string, Records[K]>}} */
  rows = { position: new Map(), order: new Map(), signal: new Map(), trade: new Map() };

  /**
   * @template {Kind} K
   * @param {K} kind
   * @param {Records[K][]} list
   */
  load(kind, list) {
    this.rows[kind].clear();
    for (const row of list) this.rows[kind].set(KEYS[kind](row), row);
  }

  /**
   * @template {Kind} K
   * @param {K} kind
   * @param {Records[K]} row
   */
  upsert(kind, row) {
    const rows = this.rows[kind];
    rows.set(KEYS[kind](row), row);
    const oldest = rows.size > KEPT ? this.list(kind).at(-1) : undefined;
    if (oldest) rows.delete(KEYS[kind](oldest));
  }

  /**
   * An order, and the outcome of its signal. One that was on its way while the API answered may be
   * older than that answer.
   *
   * @param {Order} order
   */
  upsertOrder(order) {
    const known = this.rows.order.get(order.client_order_id);
    if (known && known.changes.length > order.changes.length) return;
    this.upsert("order", order);
    for (const signal of this.rows.signal.values()) {
      if (signal.client_order_id === order.client_order_id) signal.order_status = order.status;
    }
  }

  /**
   * Newest first.
   *
   * @template {Kind} K
   * @param {K} kind
   * @returns {Records[K][]}
   */
  list(kind) {
    const time = TIMES[kind];
    return [...this.rows[kind].values()].sort((a, b) => (time(a) < time(b) ? 1 : -1));
  }

  get open() {
    return this.list("position").filter(({ status }) => status === "open");
  }

  get inFlight() {
    return this.list("order").filter(({ status }) => IN_FLIGHT.has(status));
  }
}
