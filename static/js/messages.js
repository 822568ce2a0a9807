// The JSON of REST answers and socket messages, as types. Of each thing only the fields that this
// page reads; `/schema` has all of them. Decimals are texts of plain digits, times ISO 8601 in UTC.

/** @typedef {"BUY" | "SELL"} Side */
/** @typedef {"exact" | "repaired" | "unverified"} Verdict */
/** @typedef {"off" | "no_entries" | "flatten"} HaltLevel */
/** @typedef {"up" | "down"} WorkerState */
/** @typedef {"up" | "down" | "stale"} StreamState */

/**
 * @typedef {"PENDING" | "SUBMITTED" | "UNKNOWN" | "NEW" | "PARTIALLY_FILLED" | "FILLED"
 *   | "CANCELED" | "EXPIRED" | "EXPIRED_IN_MATCH" | "REJECTED" | "DENIED" | "EXPIRED_UNSENT"
 * } OrderStatus
 */

/**
 * @typedef {object} Candle
 * @property {string} symbol
 * @property {string} interval
 * @property {string} open_time
 * @property {string} open
 * @property {string} high
 * @property {string} low
 * @property {string} close
 * @property {string} volume
 * @property {Verdict | null} verdict null while it forms
 * @property {boolean} closed
 */

/**
 * The open candle of a symbol and interval, with the symbol's last tick.
 *
 * @typedef {Candle & {last_price: string, time: string}} FormingCandle
 */

/**
 * @typedef {object} Position
 * @property {number} id
 * @property {string} strategy
 * @property {string} symbol
 * @property {"open" | "closed" | "archived"} status
 * @property {string} quantity
 * @property {string} cost
 * @property {string} entry_price
 * @property {string | null} stop_price
 * @property {string} opened_at
 */

/**
 * @typedef {object} Order
 * @property {string} client_order_id
 * @property {string} strategy
 * @property {string} symbol
 * @property {Side} side
 * @property {string} quantity
 * @property {string | null} stop_price
 * @property {OrderStatus} status
 * @property {string} created_at
 * @property {string | null} submitted_at
 * @property {{status: OrderStatus}[]} changes
 */

/**
 * @typedef {object} Signal
 * @property {string} key
 * @property {string} strategy
 * @property {string} symbol
 * @property {"crossover" | "stop_loss" | "halt"} reason
 * @property {Side} side
 * @property {string | null} candle_open_time
 * @property {string} price
 * @property {string | null} client_order_id
 * @property {OrderStatus | null} order_status
 * @property {string} outcome
 * @property {string} created_at
 */

/**
 * One fill of ours.
 *
 * @typedef {object} Trade
 * @property {string} symbol
 * @property {string} strategy
 * @property {Side} side
 * @property {string} client_order_id
 * @property {number} trade_id
 * @property {string} price
 * @property {string} quantity
 * @property {string} commission
 * @property {string} commission_asset
 * @property {string} time
 */

/**
 * @typedef {object} Halt
 * @property {HaltLevel} level
 * @property {string | null} by
 * @property {string | null} at
 */

/**
 * @typedef {object} Strategy
 * @property {string} name
 * @property {number} sma_period
 * @property {number} ema_period
 */

/**
 * Market data of one symbol.
 *
 * @typedef {object} Stream
 * @property {string | null} last_tick_time
 * @property {string | null} last_price
 * @property {string | null} holder host and process id of the stream process that writes its candles
 */

/**
 * A followed symbol.
 *
 * @typedef {object} Followed
 * @property {string} symbol
 * @property {string} base_asset
 * @property {string} quote_asset
 * @property {{price_step: string}} rules
 * @property {Stream} stream
 */

/**
 * @typedef {object} Status
 * @property {StreamState} stream
 * @property {number | null} lag_ms
 * @property {Record<string, number>} refilling missing ticks by symbol
 * @property {string[]} polled symbols that REST is asked about in place of the stream
 * @property {number} standbys
 * @property {WorkerState} worker
 * @property {HaltLevel} halt
 * @property {string[]} alarms
 */

/**
 * @typedef {object} Snapshot
 * @property {FormingCandle[]} forming
 * @property {Status} status
 */

/** @typedef {{position: Position, order: Order, signal: Signal, trade: Trade}} Records */
/** @typedef {keyof Records} RecordType */

/**
 * What each type of socket message carries.
 *
 * @typedef {Records & {
 *   candle: Candle, forming: FormingCandle, snapshot: Snapshot, status: Status
 * }} Payloads
 */

/**
 * @typedef {{
 *   [T in keyof Payloads]: {type: T, data: Payloads[T], seq: number}
 * }[keyof Payloads]} Message
 */

export {};
