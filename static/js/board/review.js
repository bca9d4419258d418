// Nudges that wait for the facilitator: release, change and release, or hold back.

import { announce, keepFocus, readable, say, stamp } from "../dom.js";

let fields = 0;

export class Review {
  #target;
  #members;
  #timeline;
  #decide;
  #held = new Map();

  constructor(target, { members, timeline, decide }) {
    this.#target = target;
    this.#members = members;
    this.#timeline = timeline;
    this.#decide = decide;
  }

  reset() {
    this.#held.clear();
    this.#target.querySelector("ul").replaceChildren();
    this.#show();
  }

  add({ nudge, member, utterance, text, citations }, past) {
    if (this.#held.has(nudge)) return;
    const { root, slots } = stamp("held-nudge");
    const name = this.#members.name(member);
    slots.who.textContent = say("held.for", { name });
    slots.text.id = `held-${(fields += 1)}`;
    slots.label.htmlFor = slots.text.id;
    slots.text.value = text;
    const title = citations?.[0]?.title;
    slots.source.textContent = title ? say("cite", { title }) : "";
    slots.release.addEventListener("click", () => this.#release(nudge));
    slots.hold.addEventListener("click", () => this.#decide("hold", { nudge }));
    this.#held.set(nudge, { root, slots, text, utterance });
    this.#target.querySelector("ul").append(root);
    this.said({ utterance });
    this.#show();
    if (!past) announce(say("held.arrived", { name }));
  }

  /** The words it answers, which may come after it. */
  said({ utterance }) {
    for (const { slots, utterance: about } of this.#held.values()) {
      if (about !== utterance) continue;
      const words = this.#timeline.words(utterance);
      slots.said.replaceChildren(...readable(words ? `“${words}”` : ""));
    }
  }

  settled({ nudge }) {
    keepFocus(() => {
      this.#held.get(nudge)?.root.remove();
      this.#held.delete(nudge);
      this.#show();
    }, () => this.#next());
  }

  /** Where to go on: the nudge that waits next, or the talk. */
  #next() {
    const [next] = this.#held.values();
    return next?.slots.release ?? document.getElementById("scroll");
  }

  releaseFirst() {
    const [first] = this.#held.keys();
    if (first) this.#release(first);
  }

  holdFirst() {
    const [first] = this.#held.keys();
    if (first) this.#decide("hold", { nudge: first });
  }

  #release(nudge) {
    const { slots, text } = this.#held.get(nudge);
    const now = slots.text.value.trim();
    if (now && now !== text) this.#decide("edit", { nudge, text: now });
    else this.#decide("release", { nudge });
  }

  #show() {
    this.#target.hidden = this.#held.size === 0;
    document.getElementById("held-count").textContent = this.#held.size;
  }
}
