// The state line: is what the page shows true right now, and if not, since when?

/** @import { Connection } from "./live.js" */
/** @import { HaltLevel, Status, StreamState, WorkerState } from "./messages.js" */

import { find, findIn, setText } from "./dom.js";
import { clock } from "./format.js";

/** @typedef {[word: string, level: "ok" | "warn" | "bad" | "idle"]} Word */

/** @type {Word} */
const UNKNOWN = ["unknown", "idle"];
/** @type {Record<Connection, Word>} */
const PAGE = { connecting: ["connecting", "idle"], live: ["live", "ok"], lost: ["offline", "bad"] };
/** @type {Record<StreamState, Word>} */
const STREAM = { up: ["up", "ok"], down: ["down", "bad"], stale: ["stale", "bad"] };
/** @type {Record<WorkerState, Word>} */
const WORKER = { up: ["up", "ok"], down: ["down", "bad"] };
/** @type {Record<HaltLevel, Word>} */
const HALT = {
  off: ["off", "ok"],
  no_entries: ["no entries", "warn"],
  flatten: ["flatten", "bad"],
};
const NOTICES = {
  lost: "Connection lost, trying again. Nothing on this page is newer than",
  down: "The stream has no connection to the exchange. Prices are stale since",
  stale: "Nothing is heard from the stream process. Prices are stale since",
};

export class StateLine {
  /** @type {Connection} */
  connection = "connecting";
  /** @type {Partial<Status>} */
  status = {};
  /** @type {string | null} when all was well for the last time */
  freshAt = null;

  /** @param {Connection} connection */
  connected(connection) {
    this.connection = connection;
    this.show();
  }

  /** @param {Partial<Status>} status */
  told(status) {
    this.status = status;
    this.show();
  }

  /** Why what the page shows may not be true; null where it is. */
  get trouble() {
    if (this.connection !== "live") return this.connection;
    return this.status.stream === "up" ? null : (this.status.stream ?? "connecting");
  }

  show() {
    // What was told last is not known to hold any more once the connection is lost.
    const known = this.connection === "lost" ? {} : this.status;
    const missing = Object.values(known.refilling ?? {}).reduce((sum, ticks) => sum + ticks, 0);
    const lag = known.lag_ms ?? null;
    const delay = lag === null ? "" : `lag ${lag} ms`;
    set("page", PAGE[this.connection]);
    set(
      "stream",
      known.stream ? STREAM[known.stream] : UNKNOWN,
      missing ? `${missing} ticks to fetch` : delay,
    );
    set("worker", known.worker ? WORKER[known.worker] : UNKNOWN);
    set("halt", known.halt ? HALT[known.halt] : UNKNOWN);
    this.tell();
  }

  /** Also called as time goes by: marks all that is not fresh. */
  tell() {
    const { trouble } = this;
    if (!trouble) this.freshAt = new Date().toISOString();
    document.body.dataset.connection = this.connection;
    document.body.dataset.fresh = trouble ? "no" : "yes";
    const alarms = (this.status.alarms ?? []).map((alarm) => `${alarm}.`);
    const text = [this.notice(), ...alarms].filter(Boolean).join(" ");
    const element = find("notice", HTMLElement);
    setText(element, text);
    element.classList.toggle("shown", text !== "");
  }

  /** The trouble in words, and since when there is any where that is known. */
  notice() {
    const { trouble, freshAt } = this;
    if (!trouble || trouble === "connecting") return "";
    const words = NOTICES[trouble];
    return freshAt ? `${words} ${clock(freshAt)} UTC.` : `${words.split(".")[0]}.`;
  }
}

/**
 * @param {string} name
 * @param {Word} word
 */
function set(name, [word, level], detail = "") {
  const element = find(`state-${name}`, HTMLElement);
  element.dataset.level = level;
  element.title = detail;
  findIn(element, "dd").textContent = word;
}
