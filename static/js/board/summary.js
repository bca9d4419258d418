// What a session that is over looked like: counts, shares and times, no words.

import { ApiError, get } from "../api.js";
import { element, ms, name, say, share, slotsOf, span, whole } from "../dom.js";

export class Summary {
  #target;
  #session;
  #slots;
  #shown = false;

  constructor(target, session) {
    this.#target = target;
    this.#session = session;
    this.#slots = slotsOf(target);
  }

  /** Show it, read anew, once the session has ended; hide it while one goes on. */
  async show(ended) {
    if (ended === this.#shown) return;
    this.#shown = ended;
    this.#target.hidden = !ended;
    if (!ended) return;
    this.#slots.fault.hidden = true;
    try {
      this.#fill(await get(`/sessions/${this.#session}/summary/`));
      this.#target.parentElement.scrollTop = 0;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#slots.fault.textContent = error.message;
      this.#slots.fault.hidden = false;
    }
  }

  #fill({ started_at, ended_at, talk, nudges, outcomes }) {
    const { when, talk: people, nudges: sources, outcomes: ends } = this.#slots;
    when.textContent = span(started_at, ended_at ?? Date.now());
    people.replaceChildren(...talk.map(person));
    sources.replaceChildren(...nudges.map(source));
    ends.replaceChildren(...counted(outcomes).map((cells) => row(...cells)));
  }
}

function person({ number, turns, share: part, questions, open_questions }) {
  return row(say("participant", { number }), whole(turns), share(part), whole(questions), whole(open_questions));
}

function source({ source: from, shown, accepted, rejected, first_ms }) {
  const timed = first_ms?.p50 != null;
  const times = timed ? say("summary.times", { p50: ms(first_ms.p50), p95: ms(first_ms.p95) }) : "–";
  return row(say(`badge.${from}`), whole(shown), whole(accepted), whole(rejected), times);
}

/** Outcomes with the words for them; those that read the same are one. */
function counted(outcomes) {
  const counts = new Map();
  for (const { outcome, reason, count } of outcomes) {
    const words = came(outcome, reason);
    counts.set(words, (counts.get(words) ?? 0) + count);
  }
  return Array.from(counts, ([words, count]) => [words, whole(count)]);
}

function came(outcome, reason) {
  if (outcome === "nudge.done") return say("came.nudge");
  if (outcome === "escalated") return say("came.escalated");
  if (outcome === "open") return say("came.open");
  return say("silent", { reason: name("silence", reason) });
}

function row(first, ...others) {
  const cells = others.map((text) => element("td", { text }));
  return element("tr", {}, element("th", { scope: "row", text: first }), ...cells);
}
