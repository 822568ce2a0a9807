// The halt: shows the one that governs and lets staff change it.

import { get, post } from "./api.js";
import { clock } from "./format.js";

export class HaltControl {
  constructor({ staff, onChange }) {
    this.onChange = onChange;
    this.buttons = [...document.querySelectorAll("#halt button")];
    this.hint = document.getElementById("halt-hint");
    for (const button of this.buttons) {
      button.disabled = !staff;
      button.addEventListener("click", () => this.choose(button.value));
    }
  }

  async load() {
    this.show(await get("/halt"));
  }

  show({ level, by, at }) {
    this.level = level;
    for (const button of this.buttons)
      button.setAttribute("aria-pressed", String(button.value === level));
    document.getElementById("halt-since").textContent = at
      ? `since ${clock(at)} UTC${by ? ` by ${by}` : ""}`
      : "";
  }

  async choose(level) {
    if (level === this.level) return;
    if (level === "flatten" && !(await this.confirmed())) return;
    for (const button of this.buttons) button.disabled = true;
    try {
      this.show(await post("/halt", { level, reason: "from the dashboard" }));
      this.hint.textContent = "Takes effect at once, on every strategy.";
      this.onChange(level);
    } catch (error) {
      this.hint.textContent = `Not changed: ${error.message}`;
    } finally {
      for (const button of this.buttons) button.disabled = false;
    }
  }

  confirmed() {
    const dialog = document.getElementById("confirm");
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }
}
