// The state line: is what the page shows true right now, and if not, since when?

import { clock } from "./format.js";

const WORDS = {
  page: { connecting: ["connecting", "idle"], live: ["live", "ok"], lost: ["offline", "bad"] },
  stream: { up: ["up", "ok"], down: ["down", "bad"], stale: ["stale", "bad"] },
  worker: { up: ["up", "ok"], down: ["down", "bad"] },
  halt: { off: ["off", "ok"], no_entries: ["no entries", "warn"], flatten: ["flatten", "bad"] },
};
const NOTICES = {
  lost: "Connection lost, trying again. Nothing on this page is newer than",
  down: "The stream has no connection to the exchange. Prices are stale since",
  stale: "Nothing is heard from the stream process. Prices are stale since",
};

export class StateLine {
  constructor(find = (id) => document.getElementById(id)) {
    this.find = find;
    this.connection = "connecting";
    this.status = {};
    this.freshAt = null; // when all was well for the last time
  }

  connected(state) {
    this.connection = state;
    this.show();
  }

  told(status) {
    this.status = status;
    this.show();
  }

  get trouble() {
    if (this.connection !== "live") return this.connection;
    return this.status.stream === "up" ? null : this.status.stream;
  }

  show() {
    // What was told last is not known to hold any more once the connection is lost.
    const {
      stream,
      worker,
      halt,
      lag_ms: lag,
      refilling = {},
    } = this.connection === "lost" ? {} : this.status;
    const missing = Object.values(refilling).reduce((sum, ticks) => sum + ticks, 0);
    const delay = lag === null || lag === undefined ? "" : `lag ${lag} ms`;
    const detail = missing ? `${missing} ticks to fetch` : delay;
    this.set("page", WORDS.page[this.connection]);
    this.set("stream", WORDS.stream[stream] ?? ["unknown", "idle"], detail);
    this.set("worker", WORDS.worker[worker] ?? ["unknown", "idle"]);
    this.set("halt", WORDS.halt[halt] ?? ["unknown", "idle"]);
    this.tell();
  }

  /** Also called as time goes by: marks all that is not fresh. */
  tell() {
    const { trouble } = this;
    if (!trouble) this.freshAt = new Date().toISOString();
    document.body.dataset.connection = this.connection;
    document.body.dataset.fresh = trouble ? "no" : "yes";
    const text = [
      this.notice(NOTICES[trouble]),
      ...(this.status.alarms ?? []).map((alarm) => `${alarm}.`),
    ]
      .filter(Boolean)
      .join(" ");
    const notice = this.find("notice");
    if (notice.textContent !== text) notice.textContent = text;
    notice.classList.toggle("shown", text !== "");
  }

  /** `words`, and since when they hold where that is known. */
  notice(words) {
    if (!words) return "";
    return this.freshAt ? `${words} ${clock(this.freshAt)} UTC.` : `${words.split(".")[0]}.`;
  }

  set(name, [word, level], detail = "") {
    const element = this.find(`state-${name}`);
    element.dataset.level = level;
    element.title = detail;
    element.querySelector("dd").textContent = word;
  }
}
