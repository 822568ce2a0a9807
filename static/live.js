// The socket: stays connected, and says when what it brought may have a hole.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20_000;
const SILENT_AFTER_MS = 25_000; // the server says something every ten seconds

export class Live {
  /**
   * `onMessage(message)`; `onCatchUp()` after connecting and after any gap: ask the API;
   * `onState("connecting" | "live" | "lost")`.
   */
  constructor(url, { onMessage, onCatchUp, onState }) {
    Object.assign(this, { url, onMessage, onCatchUp, onState });
    this.failures = 0;
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
    this.listenForLife();
  }

  take(message) {
    const expected = this.seq + 1;
    this.seq = message.seq;
    this.listenForLife();
    if (message.type === "snapshot") {
      this.failures = 0;
      this.onState("live");
    }
    if (message.type === "snapshot" || message.seq !== expected) this.onCatchUp();
    this.onMessage(message);
  }

  closed() {
    clearTimeout(this.silence);
    this.socket = null;
    this.onState("lost");
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures);
    this.failures += 1;
    this.retry = setTimeout(() => this.open(), wait * (0.5 + Math.random()));
  }

  hurry() {
    if (!this.socket) this.open();
  }

  listenForLife() {
    clearTimeout(this.silence);
    const { socket } = this;
    this.silence = setTimeout(() => {
      if (socket !== this.socket) return;
      socket.close(); // a dead line answers no close, so we do not wait for one
      this.closed();
    }, SILENT_AFTER_MS);
  }
}
