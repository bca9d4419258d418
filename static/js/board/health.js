// How well the machinery keeps up, told where a facilitator would otherwise wonder.

import { say } from "../dom.js";

const TROUBLE = ["model_late", "model_unavailable", "model_broken", "late", "ledger_unavailable"];
const IN_A_ROW = 3;
const OVERLOADED_MS = 10_000;

export class Health {
  #target;
  #standing = 0;
  #timer = 0;

  constructor(target) {
    this.#target = target;
  }

  reset() {
    this.#standing = 0;
    this.#show();
  }

  /** Several nudges in a row that the playbook had to stand in for are a fault worth telling. */
  nudged({ source, reason }) {
    if (TROUBLE.includes(reason)) this.#standing += 1;
    else if (source === "model") this.#standing = 0;
    this.#show();
  }

  overloaded() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#show();
    }, OVERLOADED_MS);
    this.#show();
  }

  #show() {
    const key = this.#timer ? "health.overloaded" : "health.model";
    this.#target.hidden = !this.#timer && this.#standing < IN_A_ROW;
    // A region that says the same again would be read out again.
    const words = this.#target.hidden ? "" : say(key);
    if (this.#target.textContent !== words) this.#target.textContent = words;
  }
}
