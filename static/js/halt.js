// The trading halt: its level, and the buttons by which staff change it.

/** @import { Halt, HaltLevel } from "./messages.js" */

import { getHalt, postHalt } from "./api.js";
import { find } from "./dom.js";
import { formatTime } from "./format.js";

/** @type {HaltLevel[]} */
const LEVELS = ["off", "no_entries", "flatten"];

export class HaltControl {
  /**
   * @param {object} options
   * @param {boolean} options.staff whether the buttons work
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
      const level = LEVELS.find((name) => name === button.value);
      if (level) button.addEventListener("click", () => this.setLevel(level));
    }
  }

  async reload() {
    this.show(await getHalt());
  }

  /** @param {Halt} halt */
  show({ level, by, at }) {
    this.level = level;
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(button.value === level));
    }
    const since = at ? `since ${formatTime(at)} UTC${by ? ` by ${by}` : ""}` : "";
    find("halt-since", HTMLElement).textContent = since;
  }

  /** @param {HaltLevel} level */
  async setLevel(level) {
    if (level === this.level) return;
    if (level === "flatten" && !(await this.confirmFlatten())) return;
    for (const button of this.buttons) button.disabled = true;
    try {
      this.show(await postHalt(level));
      this.hint.textContent = "Takes effect at once, for all strategies.";
      this.onChange(level);
    } catch (error) {
      this.hint.textContent = `Not changed: ${error instanceof Error ? error.message : error}`;
    } finally {
      for (const button of this.buttons) button.disabled = false;
    }
  }

  /** @returns {Promise<boolean>} */
  confirmFlatten() {
    const dialog = find("confirm", HTMLDialogElement);
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }
}
