// The line under the chart: how one symbol's ticks come in, and how far its candles are proven.

/** @import { DrawnCandle } from "./candles.js" */
/** @import { Connection } from "./live.js" */
/** @import { Status, Stream, Verdict } from "./messages.js" */

import { findIn, setText } from "./dom.js";

/** @typedef {"live" | "refilling" | "stale" | "down" | "unknown"} FeedState the API's words */

const STALE_AFTER_S = 60;
/** @type {Record<FeedState, [word: string, level: string]>} */
const WORDS = {
  live: ["live", "ok"],
  refilling: ["refilling", "warn"],
  stale: ["no tick for a minute", "warn"],
  down: ["down", "bad"],
  unknown: ["unknown", "idle"],
};

/**
 * The symbol's state as far as the page is connected, from what it was told last.
 *
 * @param {string} symbol
 * @param {Partial<Status>} status
 * @param {number | null} ageSeconds
 * @param {Connection} connection
 * @returns {FeedState}
 */
export function feedState(symbol, status, ageSeconds, connection) {
  if (connection === "lost") return "unknown";
  if (status.stream !== "up") return "down";
  if (symbol in (status.refilling ?? {})) return "refilling";
  return ageSeconds === null || ageSeconds > STALE_AFTER_S ? "stale" : "live";
}

/**
 * "499 of 500 candles exact, 1 repaired"; nothing while none is closed.
 *
 * @param {DrawnCandle[]} candles
 */
export function proof(candles) {
  /** @param {Verdict} verdict */
  const count = (verdict) => candles.filter((candle) => candle.verdict === verdict).length;
  const closed = candles.filter(({ verdict }) => verdict !== null).length;
  if (!closed) return "";
  /** @type {Verdict[]} */
  const others = ["repaired", "unverified"];
  const rest = others.filter(count).map((verdict) => `, ${count(verdict)} ${verdict}`);
  return `${count("exact")} of ${closed} candles exact${rest.join("")}`;
}

export class FeedLine {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.state = findIn(element, ".state");
    this.proof = findIn(element, ".proof");
    this.holder = findIn(element, ".holder");
  }

  /**
   * @param {object} facts
   * @param {string} facts.symbol
   * @param {Partial<Status>} facts.status
   * @param {Connection} facts.connection
   * @param {number | null} facts.ageSeconds of the last tick
   * @param {DrawnCandle[]} facts.candles
   * @param {Stream | undefined} facts.stream
   */
  show({ symbol, status, connection, ageSeconds, candles, stream }) {
    const state = feedState(symbol, status, ageSeconds, connection);
    const [word, level] = WORDS[state];
    const missing = state === "refilling" && status.refilling?.[symbol];
    this.state.dataset.level = level;
    setText(this.state, missing ? `${word}, ${missing} ticks to fetch` : word);
    setText(this.proof, proof(candles));
    const others = status.standbys ? `${status.standbys} standing by` : "nobody standing by";
    setText(this.holder, stream?.holder ? `held by ${stream.holder}, ${others}` : "");
  }
}
