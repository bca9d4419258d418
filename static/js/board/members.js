// Who is in the room, and what each allows.

import { fieldNames, list, say, stamp } from "../dom.js";
import { Names } from "./names.js";

export class Members extends Names {
  #target;
  #decide;

  constructor(target, { decide }) {
    super();
    this.#target = target;
    this.#decide = decide;
  }

  reset() {
    super.reset();
    this.#target.replaceChildren();
  }

  get empty() {
    return this.participants.length === 0;
  }

  update(seen) {
    const member = super.update(seen);
    if (member.role === "participant") this.#show(member);
    return member;
  }

  /** Exactly these are paused. */
  paused(paused) {
    for (const member of this.participants) {
      this.update({ ...member, paused: paused.includes(member.member) });
    }
  }

  #show(member) {
    member.card ??= this.#card(member.member);
    const { slots } = member.card;
    slots.name.textContent = member.name;
    slots.dot.classList.toggle("dot--on", member.connected);
    slots.presence.textContent = say(member.connected ? "member.here" : "member.away");
    slots.nudges.textContent = allowed("nudges", member.allows?.coaching);
    slots.sees.textContent = allowed("sees", member.allows?.facilitator_view);
    const act = member.paused ? "member.resume" : "member.pause";
    slots.pause.textContent = say(act);
    slots.pause.setAttribute("aria-label", say(`${act}-of`, { name: member.name }));
    member.card.root.classList.toggle("is-paused", member.paused);
  }

  #card(id) {
    const card = stamp("member");
    card.slots.pause.addEventListener("click", () => {
      this.#decide(this.known.get(id).paused ? "resume" : "pause", { member: id });
    });
    this.#target.append(card.root);
    return card;
  }
}

/** "You see words and name", or that there is nothing; without the words there is nothing to use. */
function allowed(family, fields = []) {
  if (!fields.includes("utterance")) return say(`${family}.none`);
  return say(`${family}.some`, { fields: list(fieldNames(fields)) });
}
