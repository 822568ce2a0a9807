// Our own things, kept by their keys: what the API said, brought up to date by the socket.

const KEYS = {
  position: (row) => row.id,
  order: (row) => row.client_order_id,
  signal: (row) => row.key,
  trade: (row) => `${row.client_order_id} ${row.trade_id}`,
};
const TIMES = { position: "opened_at", order: "created_at", signal: "created_at", trade: "time" };
const IN_FLIGHT = new Set(["PENDING", "SUBMITTED", "UNKNOWN", "NEW", "PARTIALLY_FILLED"]);
const KEPT = 200;

export const KINDS = Object.keys(KEYS);

export class Book {
  constructor() {
    this.rows = Object.fromEntries(KINDS.map((kind) => [kind, new Map()]));
  }

  load(kind, list) {
    this.rows[kind] = new Map(list.map((row) => [KEYS[kind](row), row]));
  }

  upsert(kind, row) {
    const rows = this.rows[kind];
    const key = KEYS[kind](row);
    // A message on its way while the API answered may be older than that answer.
    if (kind === "order" && rows.get(key)?.changes.length > row.changes.length) return;
    rows.set(key, row);
    if (rows.size > KEPT) rows.delete(this.newest(kind).at(-1).key);
    if (kind === "order") this.settle(row);
  }

  /** A signal's outcome is its order's. */
  settle(order) {
    for (const signal of this.rows.signal.values()) {
      if (signal.client_order_id === order.client_order_id) signal.order_status = order.status;
    }
  }

  newest(kind) {
    const time = TIMES[kind];
    const entries = [...this.rows[kind]].map(([key, row]) => ({ key, row }));
    return entries.sort((a, b) => (a.row[time] < b.row[time] ? 1 : -1));
  }

  list(kind) {
    return this.newest(kind).map(({ row }) => row);
  }

  get open() {
    return this.list("position").filter(({ status }) => status === "open");
  }

  get inFlight() {
    return this.list("order").filter(({ status }) => IN_FLIGHT.has(status));
  }
}
