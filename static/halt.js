// The halt: shows the one that governs and lets staff change it.

/** @import { Halt, HaltLevel } from "./messages.js" */

import { getHalt, postHalt } from "./api.js";
import { find } from "./dom.js";
import { clock } from "./format.js";

/** @type {HaltLevel[]} */
const LEVELS = ["off", "no_entries", "flatten"];

export class HaltControl {
  /**
   * @param {object} options
   * @param {boolean} options.staff who else looks may not change it
   * @param {(level: HaltLevel) => void} options.onChange
   */
  constructor({ staff, onChange }) {
    this.onChange = onChange;
    /** @type {HaltLevel | null} */
    this.level = null;
    this.buttons = [...find("halt", HTMLElement).querySelectorAll("button")];
    this.hint = find("halt-hint", HTMLElement);
    for (const button of this.buttons) {
      button.disabled = !staff;
      const level = LEVELS.find((each) => each === button.value);
      if (level) button.addEventListener("click", () => this.choose(level));
    }
  }

  async load() {
    this.show(await getHalt());
  }

  /** @param {Halt} halt */
  show({ level, by, at }) {
    this.level = level;
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(button.value === level));
    }
    const since = at ? `since ${clock(at)} UTC${by ? ` by ${by}` : ""}` : "";
    find("halt-since", HTMLElement).textContent = since;
  }

  /** @param {HaltLevel} level */
  async choose(level) {
    if (level === this.level) return;
    if (level === "flatten" && !(await this.confirmed())) return;
    for (const button of this.buttons) button.disabled = true;
    try {
      this.show(await postHalt(level));
      this.hint.textContent = "Takes effect at once, on every strategy.";
      this.onChange(level);
    } catch (error) {
      this.hint.textContent = `Not changed: ${error instanceof Error ? error.message : error}`;
    } finally {
      for (const button of this.buttons) button.disabled = false;
    }
  }

  /** @returns {Promise<boolean>} */
  confirmed() {
    const dialog = find("confirm", HTMLDialogElement);
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }
}
