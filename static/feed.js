// The line under the chart: how one symbol's ticks come in, and how far its candles are proven.

const STALE_AFTER_S = 60;
const WORDS = {
  live: ["live", "ok"],
  refilling: ["refilling", "warn"],
  stale: ["no tick for a minute", "warn"],
  down: ["down", "bad"],
  unknown: ["unknown", "idle"],
};

/** The symbol's state in the API's word, as far as the page is connected, from what the page was told last. */
export function feedState(symbol, status, ageSeconds, connection) {
  if (connection === "lost") return "unknown";
  if (status.stream !== "up") return "down";
  if (symbol in (status.refilling ?? {})) return "refilling";
  return ageSeconds === null || ageSeconds > STALE_AFTER_S ? "stale" : "live";
}

/** "499 of 500 candles exact, 1 repaired"; nothing while none is closed. */
export function proof(candles) {
  const count = (verdict) => candles.filter((candle) => candle.verdict === verdict).length;
  const closed = candles.filter(({ verdict }) => verdict !== null).length;
  if (!closed) return "";
  const rest = ["repaired", "unverified"]
    .filter(count)
    .map((verdict) => `, ${count(verdict)} ${verdict}`);
  return `${count("exact")} of ${closed} candles exact${rest.join("")}`;
}

export class FeedLine {
  constructor(element) {
    this.element = element;
    this.state = element.querySelector(".state");
    this.proof = element.querySelector(".proof");
    this.holder = element.querySelector(".holder");
  }

  show({ symbol, status, connection, ageSeconds, candles, stream }) {
    const state = feedState(symbol, status, ageSeconds, connection);
    const [word, level] = WORDS[state];
    const missing = state === "refilling" && status.refilling[symbol];
    this.state.dataset.level = level;
    write(this.state, missing ? `${word}, ${missing} ticks to fetch` : word);
    write(this.proof, proof(candles));
    const standbys = status.standbys ?? 0;
    const others = standbys ? `${standbys} standing by` : "nobody standing by";
    write(this.holder, stream?.holder ? `held by ${stream.holder}, ${others}` : "");
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
