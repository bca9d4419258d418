// What people are called: by name where they allow that, else by their number.

import { say } from "../dom.js";

export class Names {
  known = new Map();

  /** Those who take part, in the order they came. */
  get participants() {
    return [...this.known.values()].filter((member) => member.role === "participant");
  }

  name(member) {
    return this.known.get(member)?.name ?? say("member.unknown");
  }

  /** Learn what a frame tells of a member; what is known of them then. */
  update(seen) {
    const member = { ...this.known.get(seen.member), ...seen };
    if (seen.named === false) member.name = say("participant", { number: seen.number });
    this.known.set(member.member, member);
    return member;
  }

  reset() {
    this.known.clear();
  }
}
