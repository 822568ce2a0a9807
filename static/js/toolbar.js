// The buttons for symbol and interval, and the list of strategies.

/** @import { Market } from "./market.js" */
/** @import { Strategy } from "./messages.js" */
/** @import { Choice, Selection } from "./selection.js" */

import { create, find, findIn } from "./dom.js";
import { formatDecimal } from "./format.js";

export class Toolbar {
  /** @type {Map<string, HTMLButtonElement>} */
  symbolButtons = new Map();
  symbols = find("symbols", HTMLElement);
  intervals = find("intervals", HTMLElement);
  strategies = find("strategy", HTMLSelectElement);

  /**
   * @param {string[]} intervals
   * @param {(choice: Partial<Choice>) => void} onSelect
   */
  constructor(intervals, onSelect) {
    this.onSelect = onSelect;
    this.strategies.addEventListener("change", () => onSelect({ strategy: this.strategies.value }));
    this.intervalButtons = new Map(
      intervals.map((interval) => [interval, createButton(() => onSelect({ interval }), interval)]),
    );
    this.intervals.hidden = intervals.length === 1;
    this.intervals.replaceChildren(...this.intervalButtons.values());
  }

  /**
   * @param {Selection} selection
   * @param {Market} market
   * @param {Strategy[]} strategies
   */
  show(selection, market, strategies) {
    this.showSymbols(market);
    for (const [symbol, button] of this.symbolButtons) {
      setPressed(button, symbol === selection.symbol);
    }
    for (const [interval, button] of this.intervalButtons) {
      setPressed(button, interval === selection.interval);
    }
    this.strategies.replaceChildren(...strategies.map(strategyOption));
    this.strategies.value = selection.strategy;
  }

  /** @param {Market} market */
  showSymbols(market) {
    if ([...this.symbolButtons.keys()].join() === market.names.join()) return;
    this.symbolButtons = new Map(
      market.names.map((symbol) => [symbol, this.createSymbolButton(symbol, market)]),
    );
    this.symbols.replaceChildren(...this.symbolButtons.values());
  }

  /** @param {Market} market */
  showPrices(market) {
    for (const [symbol, button] of this.symbolButtons) {
      const price = formatDecimal(market.lastPriceText(symbol), market.precision(symbol));
      findIn(button, ".price").textContent = price;
    }
  }

  /**
   * @param {string} symbol
   * @param {Market} market
   */
  createSymbolButton(symbol, market) {
    const assets = market.symbols.get(symbol);
    return createButton(
      () => this.onSelect({ symbol }),
      create("b", {}, assets?.base ?? "", create("small", {}, `/${assets?.quote}`)),
      create("span", { className: "price num" }),
    );
  }
}

/**
 * @param {() => void} onClick
 * @param {...(Node | string)} content
 */
function createButton(onClick, ...content) {
  const button = create("button", {}, ...content);
  button.type = "button";
  button.addEventListener("click", onClick);
  return button;
}

/**
 * @param {Element} button
 * @param {boolean} pressed
 */
function setPressed(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

/** @param {Strategy} strategy */
function strategyOption({ name, sma_period: sma, ema_period: ema }) {
  return new Option(`${name} · SMA ${sma}, EMA ${ema}`, name);
}
