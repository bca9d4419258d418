// The room in numbers: turns, questions, what became of nudges, and how fast they came.

import { list, ms, say, share, stamp, whole } from "../dom.js";
import { bar, columns } from "./charts.js";

const LIMIT_MS = 800;
const SHOWN = 24;
const USED = ["accepted", "edited"];
const $ = (id) => document.getElementById(id);

export class Numbers {
  #members;
  #turns;
  #acts;
  #verdicts;
  #times;
  #due = 0;

  constructor(members) {
    this.#members = members;
    this.reset();
  }

  reset() {
    this.#turns = new Map();
    this.#acts = new Map();
    this.#verdicts = new Map();
    this.#times = new Map();
    this.show();
  }

  said({ utterance, speaker, signals }) {
    const turns = this.#turns.get(speaker.member) ?? new Set();
    this.#turns.set(speaker.member, turns.add(utterance));
    if (signals?.act) this.#acts.set(utterance, signals.act);
    this.show();
  }

  nudged({ nudge, first_ms }) {
    if (first_ms != null) this.#times.set(nudge, first_ms);
    this.show();
  }

  /** The latest verdict on a nudge counts. */
  judged({ nudge, verdict }) {
    this.#verdicts.set(nudge, verdict);
    this.show();
  }

  /** Show what is known, once for all that came since the last picture. */
  show() {
    this.#due ||= requestAnimationFrame(() => {
      this.#due = 0;
      this.#draw();
    });
  }

  #draw() {
    this.#showBalance();
    const verdicts = [...this.#verdicts.values()];
    const used = verdicts.filter((verdict) => USED.includes(verdict)).length;
    figure("used", used, verdicts.length);
    const acts = [...this.#acts.values()];
    figure("open", acts.filter((act) => act === "open_question").length, acts.length);
    this.#showTimes([...this.#times.values()]);
  }

  #showBalance() {
    const all = [...this.#turns.values()].reduce((sum, turns) => sum + turns.size, 0);
    const rows = this.#members.participants.map(({ member, name }) => {
      const count = this.#turns.get(member)?.size ?? 0;
      const part = all ? count / all : 0;
      const { root, slots } = stamp("balance-row");
      slots.name.textContent = name;
      slots.bar.append(bar(part, say("turns", { name, count: whole(count) })));
      slots.share.textContent = all ? share(part) : "";
      return root;
    });
    $("balance").replaceChildren(...rows);
  }

  #showTimes(all) {
    const values = all.slice(-SHOWN);
    $("latency").hidden = values.length === 0;
    if (!values.length) return ($("times").textContent = "–");
    const words = { p50: ms(quantile(all, 0.5)), p95: ms(quantile(all, 0.95)) };
    $("times").textContent = say("times", words);
    const label = say("latency", {
      count: values.length,
      values: list(values.map((value) => ms(value))),
      limit: ms(LIMIT_MS),
    });
    $("latency").replaceChildren(columns(values, { limit: LIMIT_MS, label }));
  }
}

function figure(id, part, all) {
  $(id).textContent = all ? share(part / all) : "–";
  $(`${id}-of`).textContent = all ? say(`${id}-of`, { count: whole(all) }) : "";
}

/** The smallest value with at least this part of all values at or below it. */
function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}
