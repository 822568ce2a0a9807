// The line under the chart: market data of one symbol, verification of its candles, their leader.

/** @import { ChartCandle } from "./chart/series.js" */
/** @import { Status, Stream, Verdict } from "./messages.js" */
/** @import { Connection } from "./socket.js" */

import { findIn, setText } from "./dom.js";

/** @typedef {"live" | "waiting" | "refilling" | "polled" | "stale" | "down" | "unknown"} FeedState as `/symbols` has it */

const STALE_AFTER_S = 60;
/** @type {Record<FeedState, [text: string, level: string]>} */
const LABELS = {
  live: ["live", "ok"],
  waiting: ["waiting for the first tick", "idle"],
  polled: ["stream silent, polled over REST", "warn"],
  refilling: ["filling a gap", "warn"],
  stale: ["no tick for a minute", "warn"],
  down: ["down", "bad"],
  unknown: ["unknown", "idle"],
};

/**
 * @param {string} symbol
 * @param {Partial<Status>} status as it came last
 * @param {number | null} tickAge seconds
 * @param {Connection} connection
 * @returns {FeedState}
 */
export function feedState(symbol, status, tickAge, connection) {
  if (connection === "lost") return "unknown";
  if (status.stream !== "up") return "down";
  if (status.polled?.includes(symbol)) return "polled";
  if (symbol in (status.refilling ?? {})) return "refilling";
  if (tickAge === null) return "waiting";
  return tickAge > STALE_AFTER_S ? "stale" : "live";
}

/**
 * "499 of 500 candles exact, 1 repaired"; empty while none is closed.
 *
 * @param {ChartCandle[]} candles
 */
export function verificationText(candles) {
  /** @param {Verdict} verdict */
  const count = (verdict) => candles.filter((candle) => candle.verdict === verdict).length;
  const closed = candles.filter(({ verdict }) => verdict !== null).length;
  if (!closed) return "";
  /** @type {Verdict[]} */
  const others = ["repaired", "unverified"];
  const rest = others.filter(count).map((verdict) => `, ${count(verdict)} ${verdict}`);
  return `${count("exact")} of ${closed} candles exact${rest.join("")}`;
}

/**
 * @param {string} leader
 * @param {number} standbys
 */
function leaderText(leader, standbys) {
  return `Leader ${leader}, ${standbys || "no"} ${standbys > 1 ? "standbys" : "standby"}`;
}

export class FeedStatus {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.state = findIn(element, ".state");
    this.verification = findIn(element, ".verification");
    this.leader = findIn(element, ".leader");
  }

  /**
   * @param {object} facts
   * @param {string} facts.symbol
   * @param {Partial<Status>} facts.status
   * @param {Connection} facts.connection
   * @param {number | null} facts.tickAge seconds
   * @param {ChartCandle[]} facts.candles
   * @param {Stream | undefined} facts.stream
   */
  show({ symbol, status, connection, tickAge, candles, stream }) {
    const state = feedState(symbol, status, tickAge, connection);
    const [text, level] = LABELS[state];
    const missing = state === "refilling" && status.refilling?.[symbol];
    this.state.dataset.level = level;
    setText(this.state, missing ? `${text}, ${missing} ticks missing` : text);
    setText(this.verification, verificationText(candles));
    setText(this.leader, stream?.holder ? leaderText(stream.holder, status.standbys ?? 0) : "");
  }
}
