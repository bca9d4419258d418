// The lane that cannot be missed: it stays on top until somebody says that they are with the person.

import { ApiError, post } from "../api.js";
import { announce, keepFocus, known, readable, say, stamp } from "../dom.js";

const URGENT = ["self_harm", "violence"];

export class Lane {
  #target;
  #members;
  #timeline;
  #open = new Map();
  #title = document.title;

  constructor(target, { members, timeline }) {
    this.#target = target;
    this.#members = members;
    this.#timeline = timeline;
  }

  reset() {
    this.#open.clear();
    this.#target.querySelector("ul").replaceChildren();
    this.#show();
  }

  add({ alert, kind, member, name, utterance }) {
    if (this.#open.has(alert)) return;
    const { root, slots } = stamp("alert");
    const who = this.#members.name(member) || name;
    const key = known(`alert.${kind}`) ? `alert.${kind}` : "alert.self_harm";
    slots.what.textContent = say(key, { name: who });
    slots.show.hidden = !utterance;
    slots.show.addEventListener("click", () => this.#timeline.show(utterance));
    slots.seen.addEventListener("click", () => this.#settle(alert));
    root.classList.toggle("alert--urgent", URGENT.includes(kind));
    this.#target.querySelector("ul").append(root);
    this.#open.set(alert, { root, slots, utterance });
    this.#quote(this.#open.get(alert));
    this.#show();
    announce(slots.what.textContent, { urgent: true });
  }

  /** The words may come after the alert. */
  said({ utterance }) {
    for (const entry of this.#open.values()) {
      if (entry.utterance === utterance) this.#quote(entry);
    }
  }

  #quote({ slots, utterance }) {
    const words = utterance && this.#timeline.words(utterance);
    slots.text.replaceChildren(...readable(words ? `“${words}”` : ""));
  }

  /** Somebody is with the person, here or at another console. */
  settled({ alert, acknowledged_by: by }, past) {
    const entry = this.#open.get(alert);
    if (!entry) return;
    keepFocus(() => {
      entry.root.remove();
      this.#open.delete(alert);
      this.#show();
    }, () => this.#next());
    if (!past && by) announce(say("alert.taken", { by, alert: entry.slots.what.textContent }));
  }

  /** It stays on top until the server has written down who sees to it. */
  async #settle(alert) {
    const { slots } = this.#open.get(alert);
    if (slots.seen.ariaDisabled) return;
    slots.fault.hidden = true;
    // Not `disabled`, which would take the focus away.
    slots.seen.ariaDisabled = "true";
    try {
      this.settled(await post(`/alerts/${alert}/acknowledge/`));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      slots.fault.textContent = error.message;
      slots.fault.hidden = false;
      slots.seen.ariaDisabled = null;
    }
  }

  /** Where to go on: the alert that is open next, or the talk. */
  #next() {
    const [next] = this.#open.values();
    return next?.slots.seen ?? document.getElementById("scroll");
  }

  #show() {
    this.#target.hidden = this.#open.size === 0;
    const mark = this.#open.size ? `(${say("alert.title")}: ${this.#open.size}) ` : "";
    document.title = mark + this.#title;
  }
}
