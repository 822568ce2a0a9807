// Positions, orders, signals and trades by key: from the API, kept up to date by the socket.

/** @import { Order, Records, RecordType } from "./messages.js" */

/** @type {{[T in RecordType]: (record: Records[T]) => string}} */
const KEYS = {
  position: (position) => String(position.id),
  order: (order) => order.client_order_id,
  signal: (signal) => signal.key,
  trade: (trade) => `${trade.client_order_id} ${trade.trade_id}`,
};
/** @type {{[T in RecordType]: (record: Records[T]) => string}} */
const TIMES = {
  position: (position) => position.opened_at,
  order: (order) => order.created_at,
  signal: (signal) => signal.created_at,
  trade: (trade) => trade.time,
};
const OPEN_STATUSES = new Set(["PENDING", "SUBMITTED", "UNKNOWN", "NEW", "PARTIALLY_FILLED"]);
const MAX_RECORDS = 200; // of each type

/** @type {RecordType[]} */
export const RECORD_TYPES = ["position", "order", "signal", "trade"];

export class RecordStore {
  /** @type {{[T in RecordType]: Map<string, Records[T]>}} */
  records = { position: new Map(), order: new Map(), signal: new Map(), trade: new Map() };

  /**
   * @template {RecordType} T
   * @param {T} type
   * @param {Records[T][]} list
   */
  replaceAll(type, list) {
    this.records[type].clear();
    for (const record of list) this.records[type].set(KEYS[type](record), record);
  }

  /**
   * @template {RecordType} T
   * @param {T} type
   * @param {Records[T]} record
   */
  upsert(type, record) {
    const records = this.records[type];
    records.set(KEYS[type](record), record);
    const oldest = records.size > MAX_RECORDS ? this.newestFirst(type).at(-1) : undefined;
    if (oldest) records.delete(KEYS[type](oldest));
  }

  /**
   * An order, and its status on the signal that led to it. An order that was on its way while the
   * API answered may be older than that answer, and is ignored.
   *
   * @param {Order} order
   */
  upsertOrder(order) {
    const known = this.records.order.get(order.client_order_id);
    if (known && known.changes.length > order.changes.length) return;
    this.upsert("order", order);
    for (const signal of this.records.signal.values()) {
      if (signal.client_order_id === order.client_order_id) signal.order_status = order.status;
    }
  }

  /**
   * @template {RecordType} T
   * @param {T} type
   * @returns {Records[T][]}
   */
  newestFirst(type) {
    const time = TIMES[type];
    return [...this.records[type].values()].sort((a, b) => (time(a) < time(b) ? 1 : -1));
  }

  get openPositions() {
    return this.newestFirst("position").filter(({ status }) => status === "open");
  }

  get openOrders() {
    return this.newestFirst("order").filter(({ status }) => OPEN_STATUSES.has(status));
  }
}
