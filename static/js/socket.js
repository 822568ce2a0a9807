// The WebSocket: reconnects by itself, and notices messages that are missing.

/** @import { Message } from "./messages.js" */

/** @typedef {"connecting" | "live" | "lost"} Connection */
/**
 * @typedef {object} Listeners
 * @property {(message: Message) => void} onMessage
 * @property {() => void} onGap messages may be missing: after connecting, and where `seq` jumps
 * @property {(connection: Connection) => void} onConnection
 */
/** @typedef {ReturnType<typeof setTimeout> | undefined} Timer */

const MIN_WAIT_MS = 500;
const MAX_WAIT_MS = 20_000;
const MAX_SILENCE_MS = 25_000; // the server sends something every ten seconds

export class LiveSocket {
  failures = 0;
  lastSeq = 0;
  /** @type {WebSocket | null} */
  socket = null;
  /** @type {Timer} */
  reconnectTimer;
  /** @type {Timer} */
  silenceTimer;

  /**
   * @param {string} url
   * @param {Listeners} listeners
   */
  constructor(url, listeners) {
    this.url = url;
    this.listeners = listeners;
    this.open();
    // A device that wakes up, or is back online, need not wait its turn.
    addEventListener("online", () => this.reconnectNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.reconnectNow());
  }

  open() {
    clearTimeout(this.reconnectTimer);
    this.lastSeq = 0;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
    socket.onclose = () => socket === this.socket && this.reconnectLater();
    this.restartSilenceTimer(socket);
  }

  /** @param {Message} message */
  receive(message) {
    const expected = this.lastSeq + 1;
    this.lastSeq = message.seq;
    if (this.socket) this.restartSilenceTimer(this.socket);
    if (message.type === "snapshot") {
      this.failures = 0;
      this.listeners.onConnection("live");
    }
    if (message.type === "snapshot" || message.seq !== expected) this.listeners.onGap();
    this.listeners.onMessage(message);
  }

  reconnectLater() {
    clearTimeout(this.silenceTimer);
    this.socket = null;
    this.listeners.onConnection("lost");
    const wait = Math.min(MAX_WAIT_MS, MIN_WAIT_MS * 2 ** this.failures);
    this.failures += 1;
    this.reconnectTimer = setTimeout(() => this.open(), wait * (0.5 + Math.random()));
  }

  reconnectNow() {
    if (!this.socket) this.open();
  }

  /** @param {WebSocket} socket */
  restartSilenceTimer(socket) {
    clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => {
      if (socket !== this.socket) return;
      socket.close(); // a dead line answers no close, so we do not wait for one
      this.reconnectLater();
    }, MAX_SILENCE_MS);
  }
}
