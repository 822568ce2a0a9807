// The status in the page's top line, and the notice at its foot where something is wrong.

/** @import { HaltLevel, Status, StreamState, WorkerState } from "./messages.js" */
/** @import { Connection } from "./socket.js" */

import { find, findIn, setText } from "./dom.js";
import { formatTime } from "./format.js";

/** @typedef {[text: string, level: "ok" | "warn" | "bad" | "idle"]} Label */

/** @type {Label} */
const UNKNOWN = ["unknown", "idle"];
/** @type {Record<Connection, Label>} */
const PAGE = { connecting: ["connecting", "idle"], live: ["live", "ok"], lost: ["offline", "bad"] };
/** @type {Record<StreamState, Label>} */
const STREAM = { up: ["up", "ok"], down: ["down", "bad"], stale: ["stale", "bad"] };
/** @type {Record<WorkerState, Label>} */
const WORKER = { up: ["up", "ok"], down: ["down", "bad"] };
/** @type {Record<HaltLevel, Label>} */
const HALT = {
  off: ["off", "ok"],
  no_entries: ["no entries", "warn"],
  flatten: ["flatten", "bad"],
};
const NOTICES = {
  connecting: "",
  lost: "Connection lost, reconnecting. This page shows data as of",
  down: "No connection to the exchange. Prices are stale since",
  stale: "The stream process is not responding. Prices are stale since",
};

export class StatusBar {
  /** @type {Connection} */
  connection = "connecting";
  /** @type {Partial<Status>} */
  status = {};
  /** @type {string | null} the last time at which the page was up to date */
  freshAt = null;

  /** @param {Connection} connection */
  setConnection(connection) {
    this.connection = connection;
    this.show();
  }

  /** @param {Partial<Status>} status */
  setStatus(status) {
    this.status = status;
    this.show();
  }

  /** Why the page is not up to date; null where it is. */
  get staleReason() {
    if (this.connection !== "live") return this.connection;
    return this.status.stream === "up" ? null : (this.status.stream ?? "connecting");
  }

  show() {
    // A status from before the connection was lost may no longer hold.
    const status = this.connection === "lost" ? {} : this.status;
    const missing = Object.values(status.refilling ?? {}).reduce((sum, ticks) => sum + ticks, 0);
    const lag = status.lag_ms ?? null;
    const latency = lag === null ? "" : `latency ${lag} ms`;
    const detail = missing ? `${missing} ticks missing` : latency;
    showLabel("page", PAGE[this.connection]);
    showLabel("stream", status.stream ? STREAM[status.stream] : UNKNOWN, detail);
    showLabel("worker", status.worker ? WORKER[status.worker] : UNKNOWN);
    showLabel("halt", status.halt ? HALT[status.halt] : UNKNOWN);
    this.showFreshness();
  }

  /** Mark the page as fresh or stale; to be called as time goes by. */
  showFreshness() {
    const reason = this.staleReason;
    if (!reason) this.freshAt = new Date().toISOString();
    document.body.dataset.connection = this.connection;
    document.body.dataset.fresh = reason ? "no" : "yes";
    const alarms = (this.status.alarms ?? []).map((alarm) => `${alarm}.`);
    const text = [this.noticeText(), ...alarms].filter(Boolean).join(" ");
    const notice = find("notice", HTMLElement);
    setText(notice, text);
    notice.classList.toggle("shown", text !== "");
  }

  noticeText() {
    const { staleReason, freshAt } = this;
    const text = staleReason ? NOTICES[staleReason] : "";
    if (!text) return "";
    return freshAt ? `${text} ${formatTime(freshAt)} UTC.` : `${text.split(".")[0]}.`;
  }
}

/**
 * @param {string} name
 * @param {Label} label
 */
function showLabel(name, [text, level], detail = "") {
  const element = find(`state-${name}`, HTMLElement);
  element.dataset.level = level;
  element.title = detail;
  findIn(element, "dd").textContent = text;
}
