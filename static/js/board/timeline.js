// What was said and what came of it. A turn's words and its outcome come in either order.

import { icon, known, ms, name, readable, say, setTime, share, stamp } from "../dom.js";
import { showTrace } from "./trace.js";

const ICONS = {
  model: "spark", cache: "spark", facilitator: "person", playbook: "book", outside: "arrow",
};
const HARSH = 0.5;
const KEPT = 400;

export class Timeline {
  #target;
  #members;
  #turns = new Map();
  #nudges = new Map();
  #due = 0;

  constructor(target, members) {
    this.#target = target;
    this.#members = members;
    // A banner or a lane above takes room from it; the newest turn stays in view.
    new ResizeObserver(() => this.#follow()).observe(target.parentElement);
  }

  get empty() {
    return this.#target.childElementCount === 0;
  }

  reset() {
    this.#target.replaceChildren();
    this.#turns.clear();
    this.#nudges.clear();
  }

  said({ utterance, speaker, text, signals, at }, past) {
    const turn = this.#turn(utterance, speaker.member, { at, past });
    const { who, text: words, signals: chips } = turn.slots;
    who.textContent = this.#members.name(speaker.member);
    turn.words = text ?? turn.words;
    words.replaceChildren(...readable(turn.words ?? say("withheld")));
    words.classList.toggle("is-withheld", turn.words === undefined);
    chips.replaceChildren(...signs(signals));
    this.#follow();
  }

  /** An utterance ended without a nudge. */
  ended({ type, utterance, member, reason, policy, code }) {
    const { root, slots } = stamp("silent");
    const why = reason || policy || code || "internal";
    slots.text.textContent =
      type === "escalated" ? say("escalated") : say("silent", { reason: name("silence", why) });
    root.classList.toggle("is-escalated", type === "escalated");
    const turn = this.#turn(utterance, member);
    turn.slots.came.replaceChildren(root);
    turn.root.classList.toggle("is-escalated", type === "escalated");
    this.#follow();
  }

  /** A nudge in `state` "shown", "held" or "dropped"; a held one may be decided later. */
  nudged(frame, state = "shown") {
    const before = this.#nudges.get(frame.nudge);
    const nudge = before ?? { ...stamp("nudged"), state: "" };
    this.#nudges.set(frame.nudge, nudge);
    const { slots } = nudge;
    slots.text.replaceChildren(...readable(frame.text));
    slots.icon.replaceChildren(icon(ICONS[frame.source] ?? "book"));
    slots.badge.textContent = badge(frame);
    const title = frame.citations?.[0]?.title;
    slots.source.textContent = title ? say("cite", { title }) : "";
    if (frame.first_ms != null) slots.ms.textContent = times(frame);
    if (frame.trace?.stages) {
      nudge.made = frame;
      showTrace(slots, frame);
    }
    const released = state === "shown" && before ? "released" : state;
    slots.state.textContent = released === "shown" ? "" : say(`state.${released}`);
    slots.state.hidden = released === "shown";
    slots.state.classList.toggle("chip--caution", state === "held");
    if (!before) this.#place(frame, nudge);
    this.#follow();
  }

  /** The stages of a road to its very end, which the nudge itself was sent too early to know. */
  timed({ utterance, stages, total_ms }) {
    for (const { made, slots } of this.#nudges.values()) {
      if (made?.utterance !== utterance) continue;
      showTrace(slots, { trace: { ...made.trace, stages }, total_ms });
    }
  }

  judged({ nudge, verdict }) {
    const { slots } = this.#nudges.get(nudge) ?? {};
    if (!slots) return;
    slots.state.textContent = name("verdict", verdict);
    slots.state.hidden = false;
    slots.state.classList.remove("chip--caution");
    slots.state.classList.toggle("chip--on", ["accepted", "edited"].includes(verdict));
    slots.state.classList.toggle("chip--danger", verdict === "unsafe");
  }

  /** A member is called something else from now on. */
  rename(member) {
    for (const turn of this.#turns.values()) {
      if (turn.member === member) turn.slots.who.textContent = this.#members.name(member);
    }
  }

  /** The words of a turn, where they may be seen. */
  words(utterance) {
    return this.#turns.get(utterance)?.words;
  }

  /** Something that was here is gone; whatever else is gone beside it is not told again. */
  erased() {
    if (this.#target.lastElementChild?.dataset.gone) return;
    const { root, slots } = stamp("gone");
    slots.text.textContent = say("erased");
    root.dataset.gone = "yes";
    this.#append(root);
    this.#follow();
  }

  /** Bring a turn into view and point at it. */
  show(utterance) {
    const turn = this.#turns.get(utterance);
    if (!turn) return;
    document.getElementById("follow").checked = false;
    turn.root.tabIndex = -1;
    turn.root.focus({ preventScroll: true });
    turn.root.scrollIntoView({ block: "center" });
  }

  #place(frame, nudge) {
    if (frame.utterance) {
      this.#turn(frame.utterance, frame.member).slots.came.replaceChildren(nudge.root);
      return;
    }
    // A card by hand answers nobody in particular: it is a turn of its own.
    const turn = stamp("turn");
    turn.slots.who.textContent = say("to.one", { name: this.#members.name(frame.member) });
    turn.slots.text.remove();
    turn.slots.came.append(nudge.root);
    this.#append(turn.root);
  }

  #turn(utterance, member, { at, past = true } = {}) {
    let turn = this.#turns.get(utterance);
    if (!turn) {
      turn = { ...stamp("turn"), member, words: undefined };
      turn.slots.who.textContent = this.#members.name(member);
      this.#turns.set(utterance, turn);
      this.#append(turn.root);
    }
    if (at || !past) setTime(turn.slots.time, at ?? Date.now());
    return turn;
  }

  #append(root) {
    this.#target.append(root);
    while (this.#target.childElementCount > KEPT) this.#target.firstElementChild.remove();
  }

  /** Keep the newest in view: once for all that came since the last picture. */
  #follow() {
    this.#due ||= requestAnimationFrame(() => {
      this.#due = 0;
      const scroll = this.#target.parentElement;
      if (document.getElementById("follow").checked) scroll.scrollTop = scroll.scrollHeight;
    });
  }
}

function signs(signals) {
  const chips = [];
  if (signals?.act) chips.push(signed(name("act", signals.act)));
  if (signals?.toxicity >= HARSH) {
    chips.push(signed(say("toxic", { share: share(signals.toxicity) }), "chip--caution"));
  }
  if (signals?.careful) chips.push(signed(say("careful"), "chip--caution"));
  return chips;
}

function signed(text, kind = "") {
  const chip = document.createElement("span");
  chip.className = `chip ${kind}`.trim();
  chip.textContent = text;
  return chip;
}

function badge({ source, reason }) {
  const kind = say(`badge.${source}`);
  // Without any model nothing is stood in for.
  if (source !== "playbook" || !reason || reason === "no_model") return kind;
  const key = reason.startsWith("gate_") ? "gate" : reason;
  const why = known(`reason.${key}`) ? say(`reason.${key}`) : name("reason", key);
  return say("stands-in", { badge: kind, reason: why });
}

function times({ first_ms, total_ms }) {
  if (total_ms == null || Math.round(total_ms) === Math.round(first_ms)) return ms(first_ms);
  return say("first-total", { first: ms(first_ms), total: ms(total_ms) });
}
