// The socket: stays connected, and says when what it brought may have a hole.

/** @import { Message } from "./messages.js" */

/** @typedef {"connecting" | "live" | "lost"} Connection */
/**
 * @typedef {object} Listeners
 * @property {(message: Message) => void} onMessage
 * @property {() => void} onCatchUp after connecting and after any gap: ask the API
 * @property {(connection: Connection) => void} onState
 */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20_000;
const SILENT_AFTER_MS = 25_000; // the server says something every ten seconds

export class Live {
  failures = 0;
  seq = 0;
  /** @type {WebSocket | null} */
  socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  silence;

  /**
   * @param {string} url
   * @param {Listeners} listeners
   */
  constructor(url, listeners) {
    this.url = url;
    this.listeners = listeners;
    this.open();
    // A device that wakes up, or is back online, need not wait its turn.
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  open() {
    clearTimeout(this.retry);
    this.seq = 0;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    socket.onclose = () => socket === this.socket && this.closed();
    this.listenForLife(socket);
  }

  /** @param {Message} message */
  take(message) {
    const expected = this.seq + 1;
    this.seq = message.seq;
    if (this.socket) this.listenForLife(this.socket);
    if (message.type === "snapshot") {
      this.failures = 0;
      this.listeners.onState("live");
    }
    if (message.type === "snapshot" || message.seq !== expected) this.listeners.onCatchUp();
    this.listeners.onMessage(message);
  }

  closed() {
    clearTimeout(this.silence);
    this.socket = null;
    this.listeners.onState("lost");
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures);
    this.failures += 1;
    this.retry = setTimeout(() => this.open(), wait * (0.5 + Math.random()));
  }

  hurry() {
    if (!this.socket) this.open();
  }

  /** @param {WebSocket} socket */
  listenForLife(socket) {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      if (socket !== this.socket) return;
      socket.close(); // a dead line answers no close, so we do not wait for one
      this.closed();
    }, SILENT_AFTER_MS);
  }
}
