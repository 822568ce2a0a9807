// The symbol, interval and strategy that the page shows, remembered by the browser.

/** @typedef {{symbol: string, interval: string, strategy: string}} Choice "" where there is none */

export class Selection {
  /** @param {string[]} intervals those that are followed */
  constructor(intervals) {
    const interval = localStorage.getItem("interval") ?? "";
    this.symbol = localStorage.getItem("symbol") ?? "";
    this.interval = intervals.includes(interval) ? interval : (intervals[0] ?? "");
    this.strategy = localStorage.getItem("strategy") ?? "";
  }

  /** @param {Partial<Choice>} change */
  change(change) {
    Object.assign(this, change);
    for (const [name, value] of Object.entries(change)) localStorage.setItem(name, value);
  }

  /**
   * Fall back to the first symbol and strategy where the selected one does not exist any more.
   *
   * @param {string[]} symbols
   * @param {string[]} strategies
   */
  restrictTo(symbols, strategies) {
    if (!symbols.includes(this.symbol)) this.symbol = symbols[0] ?? "";
    if (!strategies.includes(this.strategy)) this.strategy = strategies[0] ?? "";
  }
}
